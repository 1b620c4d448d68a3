"""What is deleted is in a bin, and comes back from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ti_core.errors import ConfigError, NotFoundError, StorageError
from ti_core.files.atomic import move_new
from ti_core.files.bin import (
    BIN,
    bring_back_deleted,
    delete,
    deleted_in,
    empty_bin,
    newest_deleted,
)
from ti_core.files.library_walk import PICTURES
from ti_core.files.replaced import copies_in

from .libraries import names, put, scanned
from .test_renaming import contents


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An embedding in a sub-folder, with a preview and a numbered copy."""
    for name in ("cat.preview.png", "cat.json", "cat.safetensors.before-1", "catfish.pt"):
        put(tmp_path / "animals" / name, name.encode())
    return put(tmp_path / "animals" / "cat.safetensors")


def test_everything_goes_and_everything_comes_back(path: Path, tmp_path: Path) -> None:
    before = contents(tmp_path)
    deleted = delete(path)
    assert os.listdir(path.parent) == [BIN, "catfish.pt"] or sorted(os.listdir(path.parent)) == [
        BIN,
        "catfish.pt",
    ]
    assert deleted_in([tmp_path]) == [deleted]
    assert bring_back_deleted(deleted) == path
    assert contents(tmp_path) == before
    assert sorted(os.listdir(path.parent)) == sorted(before)


def test_no_program_takes_what_is_deleted_for_an_embedding(path: Path, tmp_path: Path) -> None:
    delete(path)
    endings = {*PICTURES, "pt", "bin", "safetensors"}
    binned = [file for file in tmp_path.rglob("*") if BIN in file.parts and file.is_file()]
    assert len(binned) == 4
    assert not [file for file in binned if file.suffix[1:].lower() in endings]
    assert names(scanned(tmp_path)) == []
    assert copies_in([tmp_path]) == []


def test_a_file_that_is_there_is_never_replaced(path: Path, tmp_path: Path) -> None:
    deleted = delete(path)
    for name in ("CAT.pt", "cat.json"):
        there = put(path.with_name(name), b"mine")
        before = contents(tmp_path)
        with pytest.raises(ConfigError, match="exists already"):
            bring_back_deleted(deleted)
        assert contents(tmp_path) == before
        there.unlink()
    assert bring_back_deleted(deleted) == path


def test_each_of_several_of_one_name_comes_back(path: Path, tmp_path: Path) -> None:
    first = path.read_bytes()
    old = delete(path)
    os.utime(old.folder, (1e9, 1e9))
    put(path, b"second")
    delete(path)
    assert [each.folder.name for each in deleted_in([tmp_path])] == ["cat-2", "cat"]
    assert bring_back_deleted(newest_deleted([tmp_path], "CAT")).read_bytes() == b"second"
    path.unlink()
    assert bring_back_deleted(newest_deleted([tmp_path])).read_bytes() == first
    assert not path.with_name(BIN).exists()


def test_a_delete_that_fails_changes_nothing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(tmp_path)

    def failing(source: Path, target: Path) -> bool:
        if source.name == "cat.safetensors.before-1":
            raise OSError(30, "Read-only file system")
        return move_new(source, target)

    monkeypatch.setattr("ti_core.files.moving.move_new", failing)
    with pytest.raises(StorageError):
        delete(path)
    assert contents(tmp_path) == before
    assert not path.with_name(BIN).exists()


def test_what_another_format_uses_stays(path: Path) -> None:
    put(path.with_name("cat.pt"), b"other")
    delete(path)
    assert sorted(os.listdir(path.parent)) == [
        BIN, "cat.json", "cat.preview.png", "cat.pt", "catfish.pt",
    ]  # fmt: skip


def test_the_bin_is_emptied_for_good(path: Path, tmp_path: Path) -> None:
    deleted = delete(path)
    assert empty_bin([tmp_path]) == [deleted]
    assert os.listdir(path.parent) == ["catfish.pt"]
    with pytest.raises(NotFoundError, match="the bin is empty"):
        newest_deleted([tmp_path])
    with pytest.raises(NotFoundError, match="not in the bin"):
        bring_back_deleted(deleted)


def test_what_others_left_in_the_bin_is_left_alone(path: Path, tmp_path: Path) -> None:
    place = path.with_name(BIN)
    put(place / "notes.txt", b"x")
    put(place / "folder" / "a.txt", b"x")
    assert deleted_in([tmp_path]) == empty_bin([tmp_path]) == []
    assert (place / "folder" / "a.txt").exists()


def test_a_hypernetwork_goes_and_comes_as_well(tmp_path: Path) -> None:
    path = put(tmp_path / "net.pt", b"whatever it is")
    assert delete(path)[:2] == (tmp_path / BIN / "net", path)
    assert bring_back_deleted(newest_deleted([tmp_path], "net")) == path
