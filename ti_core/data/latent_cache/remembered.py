"""What was seen of image files, so that a later start need not read them again.

A file is known by its size, inode, and times of its last change. What was seen is remembered in one
small file for each folder of images. It is replaced as a whole; of two runs that write at once
one is lost, and its files are read once more.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

import PIL

from ... import __version__
from ...errors import DataError, FileError, StorageError
from ...files.index_file import read_index, write_index
from ..picture_facts import PictureFacts, read_facts

INDEX_NAME = re.compile(r"pictures-[0-9a-f]{16}\.index")
"""File names of what is remembered."""
_FORMAT = f"textual-inversion-pictures/1 {__version__} {PIL.__version__}".encode()
"""Another version of Pillow may read what this one cannot."""
_CLOCK_NS = 2 * 10**9
"""The coarsest clock of a file system. What changed more recently could change once more without
bearing another time, so it is not remembered."""
_MOST_SIDE = 2**31


class _Stamp(NamedTuple):
    """What says whether a file has changed."""

    size: int
    inode: int
    changed: int
    """Time of the last change of the content, in nanoseconds; programs can set it."""
    touched: int
    """Time of the last change of anything; only the system sets it."""

    @property
    def settled(self) -> bool:
        return time.time_ns() - max(self.changed, self.touched) > _CLOCK_NS


class _Seen(NamedTuple):
    stamp: _Stamp
    facts: PictureFacts


class RememberedPictures:
    """A `Look` with a memory in the folder `cache`. For one thread, any number of processes."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.error: StorageError | None = None
        """Why nothing can be remembered."""
        self._folders: dict[str, dict[str, _Seen]] = {}
        self._changed: set[str] = set()

    def __call__(self, path: Path) -> PictureFacts:
        """What is in an image file, which is read if it is new or has changed.

        Raises DataError for what is not a whole image of sensible size; such files are read
        again every time.
        """
        folder, name = os.path.split(os.path.abspath(path))
        seen, stamp = self._of_folder(folder), _stamp_of(path)
        if name in seen and seen[name].stamp == stamp:
            return seen[name].facts
        facts = read_facts(path)
        if stamp.settled and _stamp_of(path) == stamp:
            seen[name] = _Seen(stamp, facts)
            self._changed.add(folder)
        return facts

    def save(self) -> None:
        """Write down what was seen. Never raises: see `error`."""
        for folder in sorted(self._changed):
            try:
                _write(_index_path(self.cache, folder), _still_there(folder, self._folders[folder]))
            except StorageError as error:
                self.error = error
        self._changed.clear()

    def _of_folder(self, folder: str) -> dict[str, _Seen]:
        if folder not in self._folders:
            self._folders[folder] = _read(_index_path(self.cache, folder))
        return self._folders[folder]


def _stamp_of(path: Path) -> _Stamp:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} is skipped", f"it cannot be read ({error})") from error
    return _Stamp(found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)


def _still_there(folder: str, seen: dict[str, _Seen]) -> dict[str, _Seen]:
    try:
        names = set(os.listdir(folder))
    except OSError:
        return {}
    return {name: entry for name, entry in seen.items() if name in names}


def _index_path(cache: Path, folder: str) -> Path:
    digest = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()
    return cache / f"pictures-{digest[:16]}.index"


def _write(path: Path, seen: dict[str, _Seen]) -> None:
    rows = {name: [*entry.stamp, *entry.facts] for name, entry in seen.items()}
    write_index(path, _FORMAT, rows)


def _read(path: Path) -> dict[str, _Seen]:
    """What was remembered; nothing if it is damaged or of another version: then files are read."""
    try:
        rows = read_index(path, _FORMAT) or {}
        return {name: _seen(*row) for name, row in rows.items()}
    except (FileError, ValueError, TypeError, AttributeError):
        return {}


def _seen(
    size: int, inode: int, changed: int, touched: int, digest: str, width: int, height: int
) -> _Seen:
    """Raises ValueError or TypeError for values that no one has written."""
    whole = (size, inode, changed, touched, width, height)
    if any(type(value) is not int for value in whole) or not re.fullmatch("[0-9a-f]{32}", digest):
        raise ValueError(whole)
    if not (0 < width < _MOST_SIDE and 0 < height < _MOST_SIDE):
        raise ValueError(whole)
    return _Seen(_Stamp(size, inode, changed, touched), PictureFacts(digest, width, height))
