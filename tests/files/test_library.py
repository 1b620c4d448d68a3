"""The library of embeddings: what it tells, what it notices, what it remembers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ti_core import __version__
from ti_core.files import library as library_module
from ti_core.files import peek as peek_module
from ti_core.files.library import Library
from ti_core.files.library_index import Index, load_index, save_index

from .libraries import RUBBISH, content, names, put, reasons, scanned

GOLDEN = Path(__file__).parents[1] / "golden"


def forbid_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(peek_module, "peek", refuse)
    monkeypatch.setattr(library_module, "file_shorthash", refuse)


# --- what is told of an embedding -------------------------------------------------------------


def test_an_embedding_is_known_by_its_file(tmp_path: Path) -> None:
    facts = {"ti.step": "500", "modelspec.trigger_phrase": "zz", "ti.base_model": "v1-5"}
    path = put(tmp_path / "sub" / "my cat.v2.safetensors", content(count=3, metadata=facts))
    (entry,) = scanned(tmp_path).entries
    assert (entry.name, entry.path, entry.family) == ("my cat.v2", path, "sd1")
    assert (entry.shapes, entry.vectors) == ({"emb_params": (3, 768)}, 3)
    assert (entry.step, entry.trigger, entry.base_model) == (500, "zz", "v1-5")
    assert entry.preview is None


@pytest.mark.parametrize(
    ("widths", "family"),
    [((768,), "sd1"), ((1024,), "sd2"), ((768, 1280), "sdxl"), ((1280,), ""), ((4096,), "")],
)
def test_the_widths_tell_the_family(tmp_path: Path, widths: tuple[int, ...], family: str) -> None:
    keys = ("clip_l", "clip_g") if len(widths) == 2 else ("emb_params",)
    tensors = {key: torch.ones(1, width) for key, width in zip(keys, widths, strict=True)}
    put(tmp_path / "a.safetensors", safetensors.torch.save(tensors))
    (entry,) = scanned(tmp_path).entries
    assert (entry.widths, entry.family) == (widths, family)


def test_the_file_of_the_real_a1111_has_the_numbers_that_a1111_gives_it(tmp_path: Path) -> None:
    """Computed once by A1111's own `Embedding.checksum` and `hashes.sha256`."""
    put(tmp_path / "my-ref.pt", (GOLDEN / "my-ref.pt").read_bytes())
    library = scanned(tmp_path)
    (entry,) = library.entries
    assert (entry.step, entry.family, entry.vectors) == (20, "sd1", 2)
    assert library.checksum(entry) == "221d"
    assert library.shorthash(entry) == "d07b5d511d8a"


@pytest.mark.parametrize(
    ("pictures", "shown"),
    [
        (["cat.preview.png", "cat.png", "cat.jpg"], "cat.preview.png"),
        (["cat.jpeg"], "cat.jpeg"),
        (["cat.preview.webp", "dog.png"], "cat.preview.webp"),
        (["cats.png", "cat.txt", "cat.preview.txt"], None),
    ],
)
def test_a_picture_beside_an_embedding_is_its_preview_and_nothing_else(
    tmp_path: Path, pictures: list[str], shown: str | None
) -> None:
    put(tmp_path / "cat.safetensors")
    for name in pictures:
        put(tmp_path / name, RUBBISH)
    library = scanned(tmp_path)
    preview = library.find("cat").preview  # type: ignore[union-attr]
    assert preview == (tmp_path / shown if shown else None)
    assert not any(name.startswith("cat.") for name in reasons(library))


def test_embeddings_are_in_the_order_of_their_names_whatever_the_case(tmp_path: Path) -> None:
    for name in ("b", "C", "a", "D"):
        put(tmp_path / name / f"{name}.safetensors")
    assert names(scanned(tmp_path)) == ["a", "b", "C", "D"]


# --- what is skipped ----------------------------------------------------------------------


def test_every_file_that_is_no_embedding_is_named_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path / "good.safetensors")
    put(tmp_path / "empty.pt", b"")
    put(tmp_path / "page.bin", RUBBISH)
    put(tmp_path / "half.safetensors", content()[:-100])
    put(tmp_path / "evil.pt", b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R.")
    (tmp_path / "lost.pt").symlink_to(tmp_path / "nothing.pt")
    (tmp_path / "circle.pt").symlink_to(tmp_path / "circle.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    put(tmp_path / "notes.txt", RUBBISH)
    put(tmp_path / "cat.pt.optim", RUBBISH)
    library = scanned(tmp_path)
    assert names(library) == ["good"]
    found = reasons(library)
    assert found["empty.pt"].startswith("empty.pt is empty")
    assert "leads nowhere" in found["lost.pt"]
    assert "not a regular file" in found["pipe.pt"]
    assert set(found) == {
        "empty.pt", "page.bin", "half.safetensors", "evil.pt", "lost.pt", "circle.pt", "pipe.pt",
    }  # fmt: skip
    kinds = {each.path.name: each.error for each in library.skipped}
    assert kinds["evil.pt"] == "UnsafeFileError"
    assert str(tmp_path) not in "".join(found.values())


def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    put(tmp_path / "a" / "cat.safetensors")
    library = scanned(tmp_path / "missing", tmp_path / "a")
    assert names(library) == ["cat"]
    assert "cannot be read" in reasons(library)["missing"]


def test_hidden_files_and_folders_are_passed_over_in_silence(tmp_path: Path) -> None:
    put(tmp_path / ".cat.safetensors.x1", RUBBISH)
    put(tmp_path / ".dog.safetensors")
    put(tmp_path / ".trash" / "bird.safetensors")
    library = scanned(tmp_path)
    assert (library.entries, library.skipped) == ((), ())


# --- links ------------------------------------------------------------------------------------


def test_links_to_files_and_folders_are_followed_also_out_of_the_library(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    put(tmp_path / "drive" / "cat.safetensors")
    put(tmp_path / "dog.safetensors")
    (root / "drive").symlink_to(tmp_path / "drive", target_is_directory=True)
    (root / "hound.safetensors").symlink_to(tmp_path / "dog.safetensors")
    library = scanned(root)
    assert names(library) == ["cat", "hound"]
    assert library.entries[0].path == root / "drive" / "cat.safetensors"


def test_a_folder_is_visited_once_however_many_ways_lead_to_it(tmp_path: Path) -> None:
    put(tmp_path / "a" / "cat.safetensors")
    for name in ("link", "other"):
        (tmp_path / "a" / name).symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "twin").symlink_to(tmp_path / "a", target_is_directory=True)
    assert names(scanned(tmp_path, tmp_path / "a", tmp_path / "twin")) == ["cat"]


def test_a_link_to_a_folder_around_the_library_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "models" / "embeddings"
    put(root / "cat.safetensors")
    put(tmp_path / "models" / "dog.safetensors")
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    (root / "top").symlink_to("/", target_is_directory=True)
    assert names(scanned(root)) == ["cat"]


# --- what has changed -------------------------------------------------------------------------


def test_files_that_come_go_and_change_are_noticed_in_sub_folders_too(tmp_path: Path) -> None:
    cat = put(tmp_path / "a" / "cat.safetensors", content(1))
    dog = put(tmp_path / "a" / "b" / "dog.safetensors", content(1))
    library = Library([tmp_path])
    changes = library.refresh()
    assert (changes.added, changes.changed, changes.removed) == ((cat, dog), (), ())
    bird = put(tmp_path / "a" / "c" / "bird.safetensors")
    put(dog, content(2, count=4), old=False)
    cat.unlink()
    changes = library.refresh()
    assert (changes.added, changes.changed, changes.removed) == ((bird,), (dog,), (cat,))
    assert names(library) == ["bird", "dog"]
    assert library.find("dog").vectors == 4  # type: ignore[union-attr]
    assert not library.refresh()


def test_a_file_that_changes_within_one_tick_of_the_clock_is_noticed(tmp_path: Path) -> None:
    path = put(tmp_path / "cat.safetensors", content(1), old=False)
    library = scanned(tmp_path)
    before = path.stat()
    put(path, content(2), old=False)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert library.refresh().changed == (path,)
    assert not library.refresh()


def test_a_broken_file_that_is_mended_becomes_an_embedding(tmp_path: Path) -> None:
    path = put(tmp_path / "cat.safetensors", b"")
    library = scanned(tmp_path)
    put(path, old=False)
    assert library.refresh().changed == (path,)
    assert (names(library), library.skipped) == (["cat"], ())


def test_what_is_unchanged_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "cat.safetensors")
    put(tmp_path / "page.pt", RUBBISH)
    library = scanned(tmp_path)
    forbid_opening(monkeypatch)
    assert not library.refresh()
    assert (names(library), list(reasons(library))) == (["cat"], ["page.pt"])


# --- what is remembered -----------------------------------------------------------------------


def test_the_next_start_opens_nothing_and_tells_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    put(root / "cat.safetensors", content(1, metadata={"ti.step": "7"}))
    put(root / "döner\n.pt", RUBBISH)
    first = scanned(root, cache=cache)
    forbid_opening(monkeypatch)
    second = Library([root], cache)
    assert not second.refresh()
    assert (second.entries, second.skipped) == (first.entries, first.skipped)
    assert second.notices == []


def test_checksums_are_worked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    put(root / "cat.safetensors")
    first = scanned(root, cache=cache)
    found = [first.checksum(first.entries[0]), first.shorthash(first.entries[0])]
    first.save()
    forbid_opening(monkeypatch)
    monkeypatch.setattr("ti_core.files.reading.read_embedding", None)
    second = scanned(root, cache=cache)
    assert [second.checksum(second.entries[0]), second.shorthash(second.entries[0])] == found


def test_checksums_of_a_file_that_has_changed_are_forgotten(tmp_path: Path) -> None:
    path = put(tmp_path / "cat.safetensors", content(1))
    library = scanned(tmp_path)
    before = [library.checksum(library.entries[0]), library.shorthash(library.entries[0])]
    put(path, content(2), old=False)
    library.refresh()
    after = [library.checksum(library.entries[0]), library.shorthash(library.entries[0])]
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_checksum_of_newer_content_is_not_remembered_for_the_older(tmp_path: Path) -> None:
    path = put(tmp_path / "cat.safetensors", content(1))
    library = scanned(tmp_path)
    put(path, content(2), old=False)
    newer = library.shorthash(library.entries[0])
    put(path, content(1))
    assert library.shorthash(library.entries[0]) != newer


def test_the_sdxl_embedding_that_a1111_gives_no_checksum_has_none(tmp_path: Path) -> None:
    tensors = {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}
    put(tmp_path / "a.safetensors", safetensors.torch.save(tensors))
    library = scanned(tmp_path)
    assert library.checksum(library.entries[0]) == ""


@pytest.mark.parametrize(
    "damage", [b"", b"rubbish", b"textual-inversion-library\n{}", b"\xff" * 99]
)
def test_a_damaged_index_is_made_anew_with_a_notice(tmp_path: Path, damage: bytes) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    put(root / "cat.safetensors")
    scanned(root, cache=cache)
    (index,) = cache.iterdir()
    good = index.read_bytes()
    index.write_bytes(damage)
    library = scanned(root, cache=cache)
    assert names(library) == ["cat"]
    assert [("damaged" in notice) for notice in library.notices] == [True]
    assert index.read_bytes() == good


def test_one_wrong_digit_in_the_index_is_noticed(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    put(root / "cat.safetensors")
    scanned(root, cache=cache)
    (index,) = cache.iterdir()
    index.write_bytes(index.read_bytes().replace(b"768", b"769"))
    library = scanned(root, cache=cache)
    assert library.entries[0].family == "sd1"
    assert len(library.notices) == 1


def test_the_index_of_another_version_of_the_program_is_replaced_in_silence(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    put(root / "cat.safetensors")
    scanned(root, cache=cache)
    (index,) = cache.iterdir()
    good = index.read_bytes()
    older = good.replace(__version__.encode(), b"0.0.1", 1).replace(b"768", b"999")
    index.write_bytes(older)
    library = scanned(root, cache=cache)
    assert (names(library), library.notices) == (["cat"], [])
    assert index.read_bytes() == good


def test_whoever_reads_the_index_while_others_write_it_sees_a_whole_one(tmp_path: Path) -> None:
    roots = [put(tmp_path / name / "cat.safetensors").parent for name in ("a", "b")]
    indexes = [scanned(root)._index for root in roots]
    path = tmp_path / "x.index"
    save_index(path, indexes[0])

    def write(index: Index) -> None:
        for _ in range(30):
            save_index(path, index)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, index) for index in indexes]
        while not all(writer.done() for writer in writers):
            assert load_index(path) in indexes
        for writer in writers:
            writer.result()
    assert list(tmp_path.glob(".x*")) == []


def test_the_library_works_without_a_place_for_its_index(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    put(root / "cat.safetensors")
    cache.write_text("a file where the folder should be")
    library = scanned(root, cache=cache)
    assert names(library) == ["cat"]
    assert any("cannot write" in notice for notice in library.notices)
    count = len(library.notices)
    put(root / "dog.safetensors")
    library.refresh()
    assert (names(library), len(library.notices)) == (["cat", "dog"], count)


def test_libraries_of_other_folders_have_an_index_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / name / f"{name}.safetensors")
    cache = tmp_path / "cache"
    for folders in ([tmp_path / "a"], [tmp_path / "b"], [tmp_path / "a", tmp_path / "b"]):
        scanned(*folders, cache=cache)
    assert len(list(cache.iterdir())) == 3


# --- which one a name means -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "winner"),
    [
        (["a/cat.pt", "b/cat.pt"], "b/cat.pt"),  # folders in their order, the last one wins
        (["a/cat.pt", "a/sub/cat.pt"], "a/sub/cat.pt"),  # a folder before its sub-folders
        (["a/cat.pt", "a/cat.safetensors", "a/cat.bin"], "a/cat.safetensors"),
        (["a/Cat.pt", "a/cat.pt"], "a/Cat.pt"),  # one word to the model: the first is found
        (["a/Cat.pt", "a/cat.pt", "b/Cat.pt"], "a/cat.pt"),  # replaced by b's, it moves behind
    ],
)
def test_of_several_with_one_name_the_one_that_a1111_takes_wins(
    tmp_path: Path, files: list[str], winner: str
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for name in files:
        put(tmp_path / name)
    library = scanned(tmp_path / "a", tmp_path / "b")
    (clash,) = library.clashes()
    assert clash.winner.path == tmp_path / winner
    hidden = {entry.path for entry in clash.hidden}
    assert hidden == {tmp_path / name for name in files} - {tmp_path / winner}
    assert library.find("CAT") == clash.winner


def test_embeddings_for_different_models_share_a_name_in_peace(tmp_path: Path) -> None:
    put(tmp_path / "a" / "cat.safetensors", content(width=768))
    put(tmp_path / "b" / "cat.safetensors", content(width=1024))
    library = scanned(tmp_path)
    assert library.clashes() == ()
    found = library.find("cat", (1024,))
    assert found is not None
    assert found.family == "sd2"
    assert library.find("cat", (768, 1280)) is None
    assert library.find("dog") is None
