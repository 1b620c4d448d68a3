"""Whatever is replaced is kept, and can be brought back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.errors import FileError, NotFoundError, StorageError
from ti_core.files.embedding import Embedding
from ti_core.files.library import Library
from ti_core.files.reading import read_embedding
from ti_core.files.replaced import (
    bring_back,
    copies_in,
    copies_of,
    put_aside,
    replace_embedding,
    replacing,
)
from ti_core.files.sidecars import write_notes, write_preview
from ti_core.files.writing import write_embedding


def cat(step: int) -> Embedding:
    return Embedding("cat", {"emb_params": torch.full((1, 768), float(step))}, step)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An embedding of 1 step."""
    replace_embedding(tmp_path / "cat.safetensors", cat(1))
    return tmp_path / "cat.safetensors"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def with_sidecars(path: Path, step: int) -> None:
    write_notes(path, cat(step))
    write_preview(path, Image.new("RGB", (8, 8), (step, 0, 0)))


def test_each_replaced_file_has_a_number_of_its_own(path: Path) -> None:
    for step in (2, 3):
        replace_embedding(path, cat(step))
    assert [(kept.number, read_embedding(kept.path).step) for kept in copies_of(path)] == [
        (1, 1),
        (2, 2),
    ]
    assert read_embedding(path).step == 3


def test_an_equal_file_replaces_nothing(path: Path) -> None:
    replace_embedding(path, cat(1))
    assert names(path.parent) == ["cat.safetensors"]


@pytest.mark.parametrize(("most", "left"), [(2, [3, 4]), (1, [4]), (0, [])])
def test_the_oldest_copies_are_removed(path: Path, most: int, left: list[int]) -> None:
    for step in range(2, 6):
        with_sidecars(path, step)
        replace_embedding(path, cat(step), most)
    assert [kept.number for kept in copies_of(path)] == left
    kept = [f"cat{ending}.before-{n}" for ending in (".json", ".preview.png") for n in left]
    assert set(names(path.parent)) == {
        "cat.safetensors",
        *kept,
        *(f"cat.safetensors.before-{n}" for n in left),
    }


def test_notes_and_preview_of_the_old_word_go_with_it(path: Path) -> None:
    with_sidecars(path, 1)
    notes = path.with_suffix(".json").read_bytes()
    replace_embedding(path, cat(2))
    assert not path.with_suffix(".json").exists()
    assert not path.with_suffix(".preview.png").exists()
    assert path.with_name("cat.json.before-1").read_bytes() == notes
    assert bring_back(path) == path
    assert path.with_suffix(".json").read_bytes() == notes
    assert path.with_suffix(".preview.png").exists()


def test_of_the_same_word_they_stay_as_well(path: Path) -> None:
    with_sidecars(path, 1)
    replace_embedding(path, cat(2), same_word=True)
    assert path.with_suffix(".preview.png").exists()
    assert path.with_name("cat.preview.png.before-1").exists()


def test_the_user_s_own_notes_stay_where_they_are(path: Path) -> None:
    path.with_suffix(".json").write_text('{"description": "mine"}')
    replace_embedding(path, cat(2))
    bring_back(path)
    assert path.with_suffix(".json").read_text() == '{"description": "mine"}'
    assert not list(path.parent.glob("*.json.before-*"))


def test_other_formats_and_spellings_of_the_name_become_copies(path: Path) -> None:
    for name in ("cat.pt", "CAT.bin", "dog.pt"):
        path.with_name(name).write_bytes(b"old")
    replace_embedding(path, cat(2))
    assert names(path.parent) == [
        "CAT.bin.before-1",
        "cat.pt.before-2",
        "cat.safetensors",
        "cat.safetensors.before-1",
        "dog.pt",
    ]


def test_what_is_brought_back_takes_the_place_of_what_is_there(path: Path) -> None:
    replace_embedding(path, cat(2))
    replace_embedding(path, cat(3))
    bring_back(path.with_name("cat.safetensors.before-1"))
    assert read_embedding(path).step == 1
    assert [(kept.number, read_embedding(kept.path).step) for kept in copies_of(path)] == [
        (2, 2),
        (3, 3),
    ]


def test_the_oldest_copy_comes_back_though_no_more_fit(path: Path) -> None:
    for step in (2, 3):
        replace_embedding(path, cat(step), 2)
    bring_back(path.with_name("cat.safetensors.before-1"), 1)
    assert read_embedding(path).step == 1
    assert [read_embedding(kept.path).step for kept in copies_of(path)] == [3]


def test_a_pt_that_became_a_safetensors_comes_back_alone(path: Path) -> None:
    pt = path.with_suffix(".pt")
    pt.write_bytes(b"old")
    put_aside(pt)
    assert bring_back(pt) == pt
    assert names(path.parent) == ["cat.pt", "cat.safetensors.before-1"]


def test_without_a_copy_nothing_happens(path: Path) -> None:
    for wanted in (path, path.with_name("cat.safetensors.before-7")):
        with pytest.raises(NotFoundError, match="there is no copy"):
            bring_back(wanted)
    assert names(path.parent) == ["cat.safetensors"]


def test_a_failed_write_leaves_no_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def fail() -> None:
        with replacing(path):
            monkeypatch.setattr("ti_core.files.atomic.os.replace", full)
            write_embedding(path, cat(2))

    with pytest.raises(StorageError, match="the disk is full"):
        fail()
    assert names(path.parent) == ["cat.safetensors"]


def test_a_copy_that_a_kill_has_left_is_not_made_twice(path: Path) -> None:
    path.with_name("cat.safetensors.before-4").write_bytes(path.read_bytes())
    replace_embedding(path, cat(2))
    assert [kept.number for kept in copies_of(path)] == [4]


def test_a_folder_in_the_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cat.safetensors").mkdir()
    with pytest.raises(FileError, match="a folder"):
        replace_embedding(tmp_path / "cat.safetensors", cat(2))


def test_no_list_shows_copies_as_embeddings(path: Path) -> None:
    with_sidecars(path, 1)
    replace_embedding(path, cat(2))
    library = Library([path.parent])
    library.refresh()
    assert [entry.file for entry in library.entries] == [str(path)]
    assert library.skipped == ()
    sub = path.parent / "sub"
    replace_embedding(sub / "dog.safetensors", cat(1))
    replace_embedding(sub / "dog.safetensors", cat(2))
    copies = {kept.path.relative_to(path.parent).as_posix() for kept in copies_in([path.parent])}
    assert copies == {"cat.safetensors.before-1", "sub/dog.safetensors.before-1"}
