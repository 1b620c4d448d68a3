"""Every file operation of a run, counted, and any of them made to fail or to be the last one."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

Mode = Literal["count", "fail", "fail from then on", "kill"]
_BY_PATH = (
    *("open", "mkdir", "rmdir", "replace", "rename", "link", "unlink", "remove", "chmod"),
    *("utime", "listdir", "scandir", "truncate", "symlink"),
)
_BY_HANDLE = ("fsync", "ftruncate", "write")
_READING = ("listdir", "scandir", "read")


class Faults:
    """Counts operations on what lies in some folders; number `at` (from 0) goes wrong."""

    def __init__(
        self,
        folders: tuple[Path, ...],
        mode: Mode = "count",
        at: int = -1,
        look: Callable[[], str] = str,
    ) -> None:
        self.folders, self.mode, self.at = tuple(map(str, folders)), mode, at
        self.look, self._looking = look, False
        self.seen: list[tuple[str, str, str]] = []
        """(operation, path, what a look at the folders told before it) of each."""
        self._handles: dict[int, str] = {}

    def at_work(self) -> contextlib.AbstractContextManager[Faults]:
        """Everything that is done meanwhile is counted."""
        return _patched(self)

    def ours(self, path: object) -> bool:
        """Whether it lies in the folders."""
        return (
            not self._looking
            and isinstance(path, (str, os.PathLike))
            and os.fspath(path).startswith(self.folders)
        )

    def watch(self, name: str, real: Callable[..., Any], by_handle: bool) -> Callable[..., Any]:
        """An operation that is counted first."""

        def operation(first: Any, *more: Any, **named: Any) -> Any:
            path = self._handles.get(first) if by_handle else first
            if path is None or not self.ours(path):
                return real(first, *more, **named)
            self.reach(name, str(path))
            result = real(first, *more, **named)
            if name == "open":
                self._handles[result] = str(path)
            return result

        return operation

    def reach(self, name: str, path: str, half: Callable[[], object] = lambda: None) -> None:
        """Count an operation, or be the one that goes wrong; `half` of it may be done by then."""
        number, self._looking = len(self.seen), True
        self.seen.append((name, path, self.look()))
        self._looking = False
        if number == self.at or (number > self.at >= 0 and self.mode == "fail from then on"):
            half()
            if self.mode == "kill":
                os._exit(9)
            code = errno.EIO if name in _READING else errno.ENOSPC
            raise OSError(code, os.strerror(code))

    def opened(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """`open`, whose files count what is written into them."""

        def opening(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            path = self._handles.get(file) if isinstance(file, int) else file
            if path is None or not self.ours(path):
                return real(file, mode, *more, **named)
            if not isinstance(file, int):
                self.reach("open" if set(mode) & set("wax+") else "read", str(path))
            found = real(file, mode, *more, **named)
            return WatchedFile(found, self, str(path)) if set(mode) & set("wax+") else found

        return opening


class WatchedFile:
    """A file that is written: half of what is to be written may get there."""

    def __init__(self, file: Any, faults: Faults, path: str) -> None:
        self._file, self._faults, self._path = file, faults, path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> WatchedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: Any) -> int:
        """Counted."""

        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._faults.reach("write", self._path, half)
        return int(self._file.write(data))

    def close(self) -> None:
        """Counted: what waits in memory is written by it."""
        if not self._file.closed:
            self._faults.reach("close", self._path, self._file.close)
        self._file.close()


@contextlib.contextmanager
def _patched(faults: Faults) -> Iterator[Faults]:
    with pytest.MonkeyPatch.context() as patch:
        opening = faults.opened(io.open)
        for module in (io, builtins):
            patch.setattr(module, "open", opening)
        for name in (*_BY_PATH, *_BY_HANDLE):
            real = getattr(os, name)
            patch.setattr(os, name, faults.watch(name, real, name in _BY_HANDLE))
        yield faults
