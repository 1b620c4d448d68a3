"""What a library remembers of its files between two starts: one small file on the disk.

It holds folder → file → record. It is replaced as a whole, so two processes never see half of it,
and the worst that can happen when both write is that something is looked at twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..errors import FileError
from .index_file import read_index, write_index

_TITLE = f"textual-inversion-library 1/{__version__}".encode()
"""A newer version of the program may read what an older one skipped."""


class Facts(NamedTuple):
    """What is known of an embedding without its numbers."""

    term: str
    """Its name among several in one file; "" when it is the only one."""
    shapes: dict[str, tuple[int, int]]
    """Key of the text encoder → (vectors, width)."""
    step: int = 0
    trigger: str = ""
    base_model: str = ""
    checksum: str = ""
    """A1111's four digits, "" until somebody asked for them."""


class Record(NamedTuple):
    """What is remembered of a file."""

    time: int
    size: int
    inode: int
    settled: bool
    """False if it had changed so shortly before that one more change could bear the same time."""
    sha256: str
    """First 12 digits over the file, "" until somebody asked for them."""
    found: tuple[Facts, ...]
    error: str = ""
    """Class of the error that it was skipped with."""
    reason: str = ""

    @property
    def counts(self) -> bool:
        """False for plain images: neither an embedding nor worth a word."""
        return bool(self.found or self.error)

    def same_content(self, other: Record) -> bool:
        """Whether a file is unchanged, as far as its stamp and its checksum tell."""
        known = self.sha256 and other.sha256
        return self[:3] == other[:3] and (not known or self.sha256 == other.sha256)


Index = dict[str, dict[str, Record]]
"""Folder → file name → record, in the order of visiting."""


def index_path(cache: Path, folders: Sequence[str]) -> Path:
    """Where the index of this set of folders is in a cache folder."""
    digest = hashlib.sha256("\0".join(folders).encode("utf-8", "surrogateescape")).hexdigest()
    return cache / f"library-{digest[:16]}.index"


def load_index(path: Path) -> Index:
    """The index; empty if there is none, or one of another version of this program.

    Raises FileError if it is damaged.
    """
    if not path.exists():
        return {}
    try:
        return _from_json(read_index(path, _TITLE) or {})
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise FileError(f"the index {path} is damaged", str(error)) from error


def save_index(path: Path, index: Index) -> None:
    """Write it atomically. Raises StorageError."""
    write_index(path, _TITLE, index)


def _from_json(data: dict[str, Any]) -> Index:
    return {
        folder: {name: _record(row) for name, row in files.items()}
        for folder, files in data.items()
    }


def _record(row: list[Any]) -> Record:
    row[5] = tuple(map(_facts, row[5]))
    return Record._make(row)


def _facts(row: list[Any]) -> Facts:
    row[1] = {key: (count, width) for key, (count, width) in row[1].items()}
    return Facts._make(row)
