"""All embeddings in some folders: what they are, which one a name means, and what has changed.

Nothing that was seen before is opened again: a file is known by its place, size, inode and the
time of its last change, and what it held is remembered on the disk. A1111 looks at the time of
the topmost folder alone; files in sub-folders and files overwritten in place are noticed here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ..errors import EmbeddingError, FileError, StorageError
from .advice import AGAIN
from .checksum import file_shorthash, vector_checksum
from .library_entry import Changes, Clash, Entry, Skipped, difference, entries_of, resolve
from .library_index import Facts, Index, Record, index_path, load_index, save_index
from .library_walk import Folder, Stamp, stamp_of, walk
from .names import alike

_CLOCK_NS = 2 * 10**9
"""The coarsest clock of a file system (FAT's). A file that changed more recently could change
once more without bearing another time, so for a while it is compared by its content."""
_MOST_HASHED_BYTES = 64 * 2**20


class Library:
    """The embeddings in `folders`, sub-folders and links included (see `library_walk`).

    With `cache`, a folder of the caller's choice, what was seen is remembered there for the next
    start. Nothing is looked at before the first `refresh()`. For one thread at a time; several
    processes may share a cache.
    """

    def __init__(self, folders: Sequence[Path], cache: Path | None = None) -> None:
        self.folders = tuple(os.path.abspath(folder) for folder in folders)
        self.notices: list[str] = []
        """What went wrong with the cache; the library does its work without one."""
        self._cache = index_path(cache, self.folders) if cache else None
        self._index: Index = self._remembered()
        self._unsaved = False
        self._view = _View({}, {})

    def refresh(self) -> Changes:
        """Look at the folders again; what has changed since the last time (of any process, when
        there is a cache)."""
        now = time.time_ns()
        before, after, pictures = self._index, {}, {}
        for folder in walk(self.folders):
            after[folder.path] = self._look(folder, now)
            pictures[folder.path] = folder.pictures
        self._unsaved |= after != before
        self._index, self._view = after, _View(after, pictures)
        self.save()
        return difference(before, after)

    def _look(self, folder: Folder, now: int) -> dict[str, Record]:
        known = self._index.get(folder.path, {})
        records = {}
        for name, stamp in folder.files.items():
            record = known.get(name)
            if record is None or record[:3] != stamp or not record.settled:
                record = _examine(Path(folder.path, name), stamp, record, now)
            records[name] = record
        for name, error in folder.faults.items():
            records[name] = _refused((0, 0, 0), True, "", error, str(error))
        return records

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every embedding by name, whatever its case; those hidden by a clash too."""
        return self._view.entries

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was skipped and why. Images that carry no embedding are not mentioned."""
        found = [
            Skipped(Path(folder, name), record.error, record.reason)
            for folder, files in self._index.items()
            for name, record in files.items()
            if record.error
        ]
        return tuple(sorted(found, key=lambda each: each.path))

    def clashes(self) -> tuple[Clash, ...]:
        """Names that several embeddings for the same kind of model share; see `resolve`."""
        meanings = self._view.meanings.values()
        return tuple(clash for named in meanings for clash in named if clash.hidden)

    def find(self, name: str, widths: tuple[int, ...] = ()) -> Entry | None:
        """What a name means in a prompt, for models with these (sorted) widths or for any."""
        for clash in self._view.meanings.get(alike(name), ()):
            if widths in ((), clash.winner.widths):
                return clash.winner
        return None

    def checksum(self, entry: Entry) -> str:
        """A1111's four digits over the vectors; "" for SDXL. Raises EmbeddingError if the file
        has been damaged since."""
        from .reading import read_embedding  # it loads torch

        record = self._record(entry)
        number = next(i for i, facts in enumerate(record.found) if facts.term == entry.term)
        facts = record.found[number]
        if facts.checksum or len(facts.shapes) != 1:
            return facts.checksum
        digits = vector_checksum(read_embedding(entry.path, entry.term or None))
        found = list(record.found)
        found[number] = facts._replace(checksum=digits)
        self._remember(entry.path, record._replace(found=tuple(found)))
        return digits

    def shorthash(self, entry: Entry) -> str:
        """First 12 digits of the file's SHA-256: A1111's "TI hashes". Raises FileError if the
        file has gone."""
        record = self._record(entry)
        if record.sha256:
            return record.sha256
        digits = file_shorthash(entry.path)
        self._remember(entry.path, record._replace(sha256=digits))
        return digits

    def save(self) -> None:
        """Write down what was found out since the last `refresh()`, such as checksums."""
        if not self._unsaved or self._cache is None:
            return
        try:
            save_index(self._cache, self._index)
            self._unsaved = False
        except StorageError as error:
            self._notice(f"{error}; the next start will look at every file again")

    def _record(self, entry: Entry) -> Record:
        folder, name = os.path.split(entry.file)
        return self._index[folder][name]

    def _remember(self, path: Path, record: Record) -> None:
        """Unless the file has gone or changed meanwhile (Windows tells the inode here only)."""
        if _still(path, record):
            folder, name = os.path.split(path)
            self._index[folder][name] = record
            self._unsaved = True

    def _remembered(self) -> Index:
        try:
            return load_index(self._cache) if self._cache else {}
        except FileError as error:
            self._notice(f"{error}; every file is looked at again")
            return {}

    def _notice(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)


def _still(path: Path, record: Record) -> bool:
    try:
        return stamp_of(os.stat(path))[:2] == record[:2]
    except OSError:
        return False


class _View:
    """What an index means, worked out when somebody asks."""

    def __init__(self, index: Index, pictures: dict[str, set[str]]) -> None:
        self._index, self._pictures = index, pictures

    @cached_property
    def _visited(self) -> list[Entry]:
        return list(entries_of(self._index, self._pictures))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """By name."""
        return tuple(sorted(self._visited, key=lambda entry: alike(entry.name)))

    @cached_property
    def meanings(self) -> dict[str, list[Clash]]:
        """Name in lower case → what it means, for each kind of model."""
        named: dict[str, list[Clash]] = {}
        for clash in resolve(self._visited):
            named.setdefault(alike(clash.winner.name), []).append(clash)
        return named


def _examine(path: Path, stamp: Stamp, known: Record | None, now: int) -> Record:
    """A record of a file that is new, has changed, or may have changed within a clock's tick."""
    settled = abs(now - stamp[0]) > _CLOCK_NS
    same = known is not None and known[:3] == stamp
    digits = ""
    try:
        if (same or not settled) and stamp[1] <= _MOST_HASHED_BYTES:
            digits = file_shorthash(path)  # before looking inside: a change after it shows
        if known is not None and same and digits == known.sha256:
            return known._replace(settled=settled)
        return Record(*stamp, settled, digits, _contents(path, stamp))
    except FileError as error:
        return _refused(stamp, settled, digits, error, str(error).replace(str(path), path.name))
    except OSError as error:  # it has gone, or its drive
        gone = FileError(f"{path.name} cannot be read", error.strerror or str(error))
        return _refused(stamp, settled, digits, gone, str(gone))


def _refused(stamp: Stamp, settled: bool, digits: str, error: FileError, reason: str) -> Record:
    return Record(*stamp, settled, digits, (), type(error).__name__, reason)


def _contents(path: Path, stamp: Stamp) -> tuple[Facts, ...]:
    if stamp[1] == 0:
        raise EmbeddingError(f"{path.name} is empty", "", AGAIN)
    from .peek import peek  # it loads torch, which a library without news does not need

    return peek(path)
