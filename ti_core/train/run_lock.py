"""A run folder belongs to one process at a time, by a lock that ends with the process."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import HostBusyError
from ..files.atomic import storage_errors

_ATTEMPTS, _SECONDS_BETWEEN = 5, 0.05
"""Who only looks whether a run is active holds its lock for a moment."""
_PLACE = 2**30
"""The byte that Windows locks: far behind what is written there, which others should read."""
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""What a file system says that has none, as some network shares."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder. Raises HostBusyError while another process (or another run of this one)
    does, StorageError.

    The system gives the lock back when a process ends, however it ends. A file system that has no
    locks is used without.
    """
    path = folder / "lock"
    with storage_errors(path):
        handle = _opened(path, os.O_CREAT)
    try:
        if not any(_take(handle, attempt) for attempt in range(_ATTEMPTS)):
            raise HostBusyError(
                f"the run {folder} is already running",
                _holder(handle),
                "wait for it, or stop it first",
            )
        _sign(handle)
        yield
    finally:
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Whether a run is active in this folder."""
    try:
        handle = _opened(folder / "lock")
    except OSError:  # there was never one, or it is not ours to open
        return False
    try:
        return not _take(handle)
    finally:
        os.close(handle)


def _opened(path: Path, more: int = 0) -> int:
    return os.open(path, os.O_RDWR | more | getattr(os, "O_BINARY", 0), 0o666)


def _take(handle: int, attempt: int = 0) -> bool:
    """Lock it, until the handle is closed; False if somebody holds it."""
    time.sleep(_SECONDS_BETWEEN if attempt else 0)
    try:
        _lock(handle)
    except OSError as error:
        return error.errno in _WITHOUT_LOCKS
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        """Raises OSError if another handle has locked it."""
        os.lseek(handle, _PLACE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        """Raises OSError if another handle has locked it. Not `lockf`, which knows processes only,
        and lets go when any handle of the file is closed."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sign(handle: int) -> None:
    """Write down who holds it, for the others' messages only."""
    text = f"process {os.getpid()} on {socket.gethostname()}"
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, text.encode())


def _holder(handle: int) -> str:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        text = os.read(handle, 200).decode(errors="replace")
    except OSError:
        text = ""
    return f"{text or 'another process'} has it"
