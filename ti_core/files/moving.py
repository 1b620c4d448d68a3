"""Several files that are renamed together: all of them, or none."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError
from .atomic import move_new, storage_errors, write_new


class Move(NamedTuple):
    """A file, where it goes, and what it holds there."""

    source: Path
    target: Path
    content: bytes | None = None
    """Its new content; None: as it is."""


def move_all(moves: Sequence[Move], fix: str) -> None:
    """Rename files within a file system. When one cannot be, all are where they were.

    Raises ConfigError, with what to do (`fix`), where one would replace another file; StorageError.
    """
    for move in moves:
        if os.path.lexists(move.target) and not _is_same(move.source, move.target):
            raise _taken(move.target, fix)
    with storage_errors(moves[0].target), contextlib.ExitStack() as undo:
        old = [_moved(move, undo, fix) for move in moves]
        undo.pop_all()
    for path in filter(None, old):
        with contextlib.suppress(OSError):  # it takes some room, and is never read
            path.unlink()


def _moved(move: Move, undo: contextlib.ExitStack, fix: str) -> Path | None:
    """Where the old content is, if there is a new one."""
    place = move.target if move.content is None else _aside(move.source)
    _rename(move.source, place, fix)
    undo.callback(os.rename, place, move.source)
    if move.content is None:
        return None
    if not write_new(move.target, move.content):
        raise _taken(move.target, fix)
    undo.callback(os.unlink, move.target)
    about = place.stat()
    os.utime(move.target, ns=(about.st_atime_ns, about.st_mtime_ns))
    return place


def _rename(source: Path, target: Path, fix: str) -> None:
    if _is_same(source, target):  # another case of letters, where that makes no difference
        os.rename(source, target)
    elif not move_new(source, target):
        raise _taken(target, fix)


def _aside(path: Path) -> Path:
    """A name as temporary files have it, see `atomic.unfinished`."""
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}")


def _is_same(source: Path, target: Path) -> bool:
    try:
        return source != target and os.path.samefile(source, target) and not target.is_symlink()
    except OSError:
        return False


def _taken(path: Path, fix: str) -> ConfigError:
    return ConfigError(f"{path} exists already", "", fix)
