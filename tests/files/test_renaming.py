"""An embedding's name is changed in all its files, or in none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ti_core.errors import ConfigError, NotFoundError, StorageError
from ti_core.files.atomic import move_new, write_new
from ti_core.files.embedding import Embedding, with_metadata
from ti_core.files.reading import read_embedding
from ti_core.files.renaming import rename
from ti_core.files.replaced import bring_back, replace_embedding
from ti_core.files.sidecars import our_sidecars, write_notes
from ti_core.files.torch_pickle import read_torch_file
from ti_core.files.writing import write_embedding

ROWS = torch.randn(2, 768, generator=torch.Generator().manual_seed(0))
BESIDE = (
    "cat.preview.png",
    "cat.JPG",
    "cat.txt",
    "cat.description.txt",
    "cat.civitai.info",
    "cat.safetensors.before-2",
    "cat.preview.png.before-2",
    "cat.safetensors.optim",
)
STRANGE = ("cat.v2.safetensors", "cat.v2.json", "cat2.json", "catfish.preview.png", "cat.zip")


def cat(name: str = "cat") -> Embedding:
    made = Embedding(name, {"emb_params": ROWS}, 5)
    return with_metadata(made, "stable-diffusion-v1", "model", "abc", {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An embedding with notes of ours and files of many programs."""
    made = tmp_path / "cat.safetensors"
    write_embedding(made, cat())
    write_notes(made, cat())
    for name in (*BESIDE, *STRANGE):
        (tmp_path / name).write_bytes(name.encode())
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_that_belongs_to_it_is_renamed_and_nothing_else(path: Path) -> None:
    before = contents(path.parent)
    assert rename(path, "dog") == (path.with_name("dog.safetensors"), ())
    after = contents(path.parent)
    renamed = {f"dog{name[3:]}" for name in (*BESIDE, "cat.safetensors", "cat.json")}
    assert set(after) == renamed | set(STRANGE)
    assert all(after[f"dog{name[3:]}"] == before[name] for name in BESIDE)
    assert all(after[name] == before[name] for name in STRANGE)


def test_notes_of_ours_tell_the_new_word_and_are_still_ours(path: Path) -> None:
    new = rename(path, "dog").path
    assert json.loads(new.with_suffix(".json").read_text())["activation text"] == "dog"
    assert new.with_suffix(".json") in our_sidecars(new)


def test_the_user_s_own_notes_keep_everything_but_the_word(path: Path) -> None:
    own = {"activation text": "cat", "notes": "the cat of cat", "preferred weight": 0.7}
    path.with_suffix(".json").write_text(json.dumps(own))
    new = rename(path, "dog").path
    assert json.loads(new.with_suffix(".json").read_text()) == {**own, "activation text": "dog"}


def test_a_copy_is_brought_back_under_the_new_name(tmp_path: Path) -> None:
    path = tmp_path / "cat.safetensors"
    for step in (1, 2):
        replace_embedding(path, Embedding("cat", {"emb_params": ROWS}, step))
    new = rename(path, "dog").path
    assert bring_back(new) == new
    assert read_embedding(new).step == 1


@pytest.mark.parametrize(
    ("format", "ending"),
    [
        ("safetensors", ".safetensors"),
        ("pt", ".pt"),
        ("bin", ".bin"),
        ("kohya", ".pt"),
        ("diffusers", ".safetensors"),
        ("png", ".png"),
    ],
)
def test_the_name_inside_is_the_new_one_and_the_numbers_are_the_same(
    tmp_path: Path, format: str, ending: str
) -> None:
    path = tmp_path / f"cat{ending}"
    write_embedding(path, cat(), format)
    old, changed = read_embedding(path), os.stat(path).st_mtime_ns
    new = rename(path, "dog").path
    found = read_embedding(new)
    assert found.metadata == {
        key: "dog" if text == "cat" else text for key, text in old.metadata.items()
    }
    assert "cat" not in found.metadata.values()
    assert (found.name, found.step) == ("dog", old.step)
    assert torch.equal(found.vectors["emb_params"], ROWS)
    assert os.stat(new).st_mtime_ns == changed


def test_a1111_s_placeholder_stays(tmp_path: Path) -> None:
    write_embedding(tmp_path / "cat.pt", cat(), "pt")
    content = read_torch_file(rename(tmp_path / "cat.pt", "dog").path)
    assert isinstance(content, dict)
    assert list(content["string_to_param"]) == list(content["string_to_token"]) == ["*"]
    assert content["name"] == "dog"


def test_diffusers_word_is_the_key_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "cat.safetensors"
    write_embedding(path, cat(), "diffusers")
    assert list(safetensors.torch.load_file(rename(path, "dog").path)) == ["dog"]


def test_another_word_of_its_maker_stays(tmp_path: Path) -> None:
    path = tmp_path / "cat.safetensors"
    write_embedding(path, cat("<his cat>"))
    data = path.read_bytes()
    assert rename(path, "dog").path.read_bytes() == data


def test_half_numbers_and_unknown_contents_are_the_same_bytes(tmp_path: Path) -> None:
    halves = safetensors.torch.save({"emb_params": ROWS.half()}, {"ti.name": "cat", "x": "cat"})
    (tmp_path / "cat.safetensors").write_bytes(halves)
    new = rename(tmp_path / "cat.safetensors", "dog").path.read_bytes()
    assert new.endswith(halves[-ROWS.numel() * 2 :])
    assert b'"x":"cat"' in new
    torch.save({"state_dict": {"a": 1}}, tmp_path / "cat.pt")
    data = (tmp_path / "cat.pt").read_bytes()
    assert rename(tmp_path / "cat.pt", "net").path.read_bytes() == data


def test_double_precision_is_never_rounded(tmp_path: Path) -> None:
    table = {"*": ROWS.double() / 3}
    torch.save({"string_to_param": table, "name": "cat"}, tmp_path / "cat.pt")
    data = (tmp_path / "cat.pt").read_bytes()
    assert rename(tmp_path / "cat.pt", "dog").path.read_bytes() == data


@pytest.mark.parametrize("taken", ["dog.pt", "DOG.bin", "dog.json", "dog.preview.png.before-2"])
def test_a_name_that_is_taken_changes_nothing(path: Path, taken: str) -> None:
    path.with_name(taken).write_bytes(b"mine")
    before = contents(path.parent)
    with pytest.raises(ConfigError, match=r"exists already.*choose another name"):
        rename(path, "dog")
    assert contents(path.parent) == before


@pytest.mark.parametrize("name", ["", "a/b", "..", "con", "dog.preview", "x" * 101, "cat", "a?"])
def test_a_name_that_is_not_possible_changes_nothing(path: Path, name: str) -> None:
    before = contents(path.parent)
    with pytest.raises(ConfigError):
        rename(path, name)
    assert contents(path.parent) == before


@pytest.mark.parametrize("call", range(11))
def test_whichever_step_fails_everything_is_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    before, calls = contents(path.parent), []

    def failing(real: Callable[..., bool]) -> Callable[..., bool]:
        def work(*arguments: object) -> bool:
            calls.append(arguments)
            if len(calls) == call + 1:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        return work

    monkeypatch.setattr("ti_core.files.moving.move_new", failing(move_new))
    monkeypatch.setattr("ti_core.files.moving.write_new", failing(write_new))
    with pytest.raises(StorageError, match="the disk is full"):
        rename(path, "dog")
    assert contents(path.parent) == before


def test_a_file_that_comes_in_between_is_never_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(path.parent)

    def late(source: Path, target: Path) -> bool:
        path.with_name("dog.txt").write_bytes(b"new")
        return move_new(source, target)

    monkeypatch.setattr("ti_core.files.moving.move_new", late)
    with pytest.raises(ConfigError, match=r"dog\.txt exists already"):
        rename(path, "dog")
    assert contents(path.parent) == {**before, "dog.txt": b"new"}


def test_what_two_formats_share_stays_and_is_told(path: Path) -> None:
    path.with_name("cat.pt").write_bytes(b"other")
    (notice,) = rename(path, "dog").notices
    assert "cat.json" in str(notice)
    assert path.with_name("cat.json").exists()
    assert path.with_name("dog.safetensors.before-2").exists()


def test_letter_case_alone_can_change(path: Path) -> None:
    rename(path, "Cat")
    assert path.with_name("Cat.preview.png").exists()
    assert "cat.safetensors" not in os.listdir(path.parent)


def test_a_link_is_renamed_and_its_file_is_left_alone(path: Path) -> None:
    link = path.with_name("linked.safetensors")
    link.symlink_to(path.name)
    data = path.read_bytes()
    new = rename(link, "dog").path
    assert new.is_symlink()
    assert path.read_bytes() == data


def test_a_card_without_its_text_keeps_its_name(tmp_path: Path) -> None:
    write_embedding(tmp_path / "cat.webp", cat(), "png")
    with pytest.raises(ConfigError, match="convert it to safetensors first"):
        rename(tmp_path / "cat.webp", "dog")
    assert os.listdir(tmp_path) == ["cat.webp"]


def test_what_may_surprise_is_told(tmp_path: Path) -> None:
    for name in ("cat", "cat_2", "below/dog"):
        write_embedding(tmp_path / f"{name}.safetensors", cat())
    told = " ".join(map(str, rename(tmp_path / "cat.safetensors", "dog").notices))
    assert "cat_2.safetensors seems to be the other half" in told
    assert "below/dog.safetensors has the name of dog.safetensors too" in told


def test_what_is_not_there_or_not_an_embedding_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(NotFoundError, match="there is no file"):
        rename(tmp_path / "no.pt", "dog")
    with pytest.raises(ConfigError, match="not an embedding's file"):
        rename(tmp_path / "x.txt", "dog")
