"""Only files are opened, and nothing is waited for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ti_core.errors import FileError
from ti_core.files.regular_file import open_regular

unix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def test_a_file_and_a_link_to_it_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for name in "ab":
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"12345"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="it is a folder"):
        open_regular(tmp_path)


@unix
def test_a_pipe_is_refused_at_once_though_nobody_writes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="it is a pipe"):
        open_regular(tmp_path / "pipe")


@unix
def test_a_file_that_turns_into_a_pipe_while_it_is_opened_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    before = os.stat(tmp_path / "file")
    monkeypatch.setattr("ti_core.files.regular_file.os.stat", lambda path: before)
    with pytest.raises(FileError, match="it is a pipe"):
        open_regular(tmp_path / "pipe")


@unix
def test_devices_and_sockets_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="it is a device"):
        open_regular(Path("/dev/zero"))
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(FileError, match="it is a socket"):
            open_regular(Path("s"))


@pytest.mark.parametrize("name", ["nothing", "x" * 5000, "zero\0byte", "loop"])
def test_what_cannot_be_opened_is_a_file_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileError, match="cannot read"):
        open_regular(tmp_path / name)
