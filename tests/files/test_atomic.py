"""Files that are either complete or not there at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ti_core.errors import StorageError
from ti_core.files.atomic import (
    make_folder,
    require_writable,
    unfinished,
    write_bytes,
    write_with,
)


def failing(code: int) -> Any:
    """A function of the os module that fails."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_in_a_folder_that_was_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    write_bytes(path, b"content")
    assert path.read_bytes() == b"content"
    assert names(path.parent) == ["file.bin"]


def test_a_new_file_has_the_usual_rights(tmp_path: Path) -> None:
    """Temporary files are private; what users share must not be."""
    usual = tmp_path / "usual"
    usual.touch()
    write_bytes(tmp_path / "ours", b"")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    with pytest.raises(StorageError, match="the disk is full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError()])
def test_an_interruption_while_writing_leaves_the_old_file(
    tmp_path: Path, error: BaseException
) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"half of i")
        raise error

    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    with pytest.raises(type(error)):
        write_with(path, write)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_folder_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("tempfile.mkstemp", failing(code))
    with pytest.raises(StorageError, match=r"cannot write .*file.bin: no permission"):
        write_bytes(tmp_path / "file.bin", b"")


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for do in (make_folder, require_writable):
        with pytest.raises(StorageError, match="a file is where a folder must be; choose"):
            do(tmp_path / "file" / "folder")
    with pytest.raises(StorageError):
        write_bytes(tmp_path / "file" / "a.bin", b"")


def test_a_look_whether_a_folder_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "not" / "there")
    assert names(tmp_path) == []


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    name = "n" * 251 + ".pt"
    write_bytes(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.png", "two\nlines.txt", "x" * 200, ".hidden", "é" * 100])
def test_a_temporary_file_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    seen: list[str] = []
    write_with(tmp_path / name, lambda file: seen.extend(names(tmp_path)))
    assert [unfinished(each) for each in seen] == [name[:40]]
    assert unfinished(name) == ""


@pytest.mark.parametrize("name", ["", ".", "a.png", ".git", ".a.png", "a.abcdefgh", ".a.ABCDEFGH"])
def test_other_names_are_those_of_no_temporary_file(name: str) -> None:
    assert unfinished(name) == ""
