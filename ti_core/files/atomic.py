"""Files that are either complete or not there at all, whenever the power goes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import StorageError

_LETTERS = 40
_TEMPORARY = re.compile(rf"\.(.{{1,{_LETTERS}}})\.[a-z0-9_]{{8}}", re.DOTALL)
"""What `tempfile` makes of the prefix that it is given below."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by a file with this content; see `write_with`."""
    write_with(path, lambda file: file.write(data))


def write_new(path: Path, data: bytes) -> bool:
    """The same for a file that is not there yet; False, and nothing is written, if one is. Of two
    programs that write the same file at once, one is told so."""
    return write_with(path, lambda file: file.write(data), replace=False)


def write_with(path: Path, write: Callable[[BinaryIO], object], replace: bool = True) -> bool:
    """Replace `path` by what `write` puts into the file it is given.

    A temporary file beside it is written, flushed to the disk and renamed. When anything goes
    wrong the old file stays as it was and the temporary one is removed. Without `replace` a file
    that is there stays, and False is returned.

    Raises StorageError when the folder cannot be written to or the disk is full.
    """
    with storage_errors(path):
        make_folder(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_LETTERS]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            if replace:
                os.replace(temporary, path)
            elif not move_new(Path(temporary), path):
                _remove(temporary)
                return False
        except BaseException:
            _remove(temporary)
            raise
        _sync_folder(path.parent)
    return True


def move_new(source: Path, target: Path) -> bool:
    """Rename a file to a name that is free; False, and it stays where it is, if that is taken. Of a
    link the link itself is renamed. Raises OSError."""
    try:
        os.link(source, target, follow_symlinks=os.link not in os.supports_follow_symlinks)
    except FileExistsError:
        return False
    except OSError:  # no hard links there: Windows' rename never replaces, others' nearly never so
        if os.path.lexists(target):
            return False
        os.rename(source, target)
        return True
    try:
        os.unlink(source)
    except OSError:
        _remove(str(target))
        raise
    return True


def _remove(path: str) -> None:
    """What cannot be removed is never read, and must not hide why it was to go."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def unfinished(name: str) -> str:
    """The name (its first 40 letters) of the file that a temporary one is to become; "" if the name
    is that of no temporary file. A kill leaves such files; they are never read."""
    found = _TEMPORARY.fullmatch(name)
    return found[1] if found else ""


def make_folder(folder: Path) -> Path:
    """Make a folder and its parents. Raises StorageError when that is not possible."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def names_in(folder: Path) -> list[str]:
    """What is in a folder, in order; nothing if it is not there. Raises StorageError."""
    with storage_errors(folder), contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(folder))
    return []


def require_writable(folder: Path) -> None:
    """Raise StorageError now rather than after hours, if nothing can be written in `folder`.

    Nothing is left behind: of a folder that is not there yet the nearest parent is tried.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    with storage_errors(folder), tempfile.TemporaryFile(dir=existing):
        return


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise StorageError for what goes wrong with the file or folder."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """What a failed write, or look, means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"cannot write {path}", "the disk is full", "make room and resume")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            f"cannot write {path}", "no permission to write there", "choose another folder"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StorageError(
            f"cannot write {path}", "a file is where a folder must be", "choose another folder"
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
