"""Files that are either complete or not there at all, whenever the power goes."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..errors import StorageError

_LETTERS = 40
_TEMPORARY = re.compile(rf"\.(.{{1,{_LETTERS}}})\.[a-z0-9_]{{8}}", re.DOTALL)
"""What `tempfile` makes of the prefix that it is given below."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by a file with this content; see `write_with`."""
    write_with(path, lambda file: file.write(data))


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace `path` by what `write` puts into the file it is given.

    A temporary file beside it is written, flushed to the disk and renamed. When anything goes
    wrong the old file stays as it was and the temporary one is removed.

    Raises StorageError when the folder cannot be written to or the disk is full.
    """
    try:
        make_folder(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_LETTERS]}.")
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise storage_error(path, error) from error
        raise


def unfinished(name: str) -> str:
    """The name (its first 40 letters) of the file that a temporary one is to become; "" if the name
    is that of no temporary file. A kill leaves such files; they are never read."""
    found = _TEMPORARY.fullmatch(name)
    return found[1] if found else ""


def make_folder(folder: Path) -> Path:
    """Make a folder and its parents. Raises StorageError when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    return folder


def require_writable(folder: Path) -> None:
    """Raise StorageError now rather than after hours, if nothing can be written in `folder`.

    Nothing is left behind: of a folder that is not there yet the nearest parent is tried.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing):
            return
    except OSError as error:
        raise storage_error(folder, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """What a failed write means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"cannot write {path}", "the disk is full", "make room and resume")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            f"cannot write {path}", "no permission to write there", "choose another folder"
        )
    return StorageError(f"cannot write {path}", error.strerror or str(error))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
