"""Opens files of strangers: only regular ones, and without ever waiting for anybody."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import FileError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class _Answering(io.FileIO):
    """The kernel has files that look like regular ones and have nothing to say at the moment; then
    Python's reader gives None, which no one expects."""

    def readinto(self, buffer: Buffer) -> int:
        """Bytes that came. Raises BlockingIOError where Python's own gives None."""
        count: int | None = super().readinto(buffer)
        if count is None:
            raise BlockingIOError(errno.EAGAIN, "it does not answer")
        return count

    def readall(self) -> bytes:
        """All bytes; raises as `readinto` does."""
        data: bytes | None = super().readall()
        if data is None:
            raise BlockingIOError(errno.EAGAIN, "it does not answer")
        return data


def open_regular(path: Path) -> BinaryIO:
    """The file, opened for reading bytes; links are followed.

    A pipe would make the reader wait for a writer and a device has no end, so both are refused.
    Raises FileError for them, for folders, and when the file is missing or may not be read.
    """
    try:
        _require_regular(path, os.stat(path).st_mode)  # first: to open a device can set it going
        file = io.BufferedReader(_Answering(os.open(path, _FLAGS)))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        why = getattr(error, "strerror", None) or str(error)
        raise FileError(f"cannot read {path}", why, "check the path") from error
    try:
        _require_regular(path, os.fstat(file.fileno()).st_mode)  # again: it may be another one now
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path: Path, most: int) -> bytes:
    """All of a regular file of at most `most` bytes; no more than that comes into memory.

    Raises FileError as `open_regular` does, and for a larger file.
    """
    try:
        with open_regular(path) as file:
            data = file.read(most + 1)
    except OSError as error:
        raise FileError(f"cannot read {path}", error.strerror or str(error)) from error
    if len(data) > most:
        raise FileError(f"cannot read {path}", f"it has more than {most:,} bytes", "check the path")
    return data


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise FileError(f"cannot read {path}", f"it is {kind}, not a file", "check the path")
