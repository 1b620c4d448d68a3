"""The embeddings that ComfyUI finds, for people to pick from: looked at when somebody asks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import folder_paths

from ..ti_core.errors import FileError, NotFoundError
from ..ti_core.families import label_of
from ..ti_core.files.library import Library
from ..ti_core.files.library_entry import Entry, Skipped
from ..ti_core.files.reading import read_embedding
from ..ti_core.prompts.words import Known
from ..ti_core.tools.strength import verdict
from .places import embeddings_dirs
from .prompt_names import IDENTIFIER, Lookup, takes_embeddings

_usual_lengths: dict[int, float] = {}
"""Width → median length of a model's words, of the models that a node has looked at."""


def remember_lengths(medians: Mapping[str, float], widths: Mapping[str, int]) -> None:
    """Keep how long a model's words are (encoder key → median length), for the strengths."""
    _usual_lengths.update({widths[key]: length for key, length in medians.items()})


@dataclass(frozen=True)
class Shelf:
    """What lay in the folders at one moment."""

    roots: tuple[Path, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By their keys: path below the embeddings folder, and the term in a file of several."""
    skipped: tuple[Skipped, ...] = ()
    version: int = 0
    """Another one whenever something has changed."""

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.roots)

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Key → what is searched."""
        return {
            key: f"{key} {label_of(one.tables)} {one.trigger} {one.base_model}".lower()
            for key, one in self.entries.items()
        }

    def matching(self, wanted: str) -> list[str]:
        """The keys of those in which every word that is wanted occurs; names that begin with it
        come first."""
        words = wanted.lower().split()
        found = [key for key, text in self._texts.items() if all(w in text for w in words)]
        start = words[0] if words else ""
        return sorted(found, key=lambda key: not self.entries[key].name.lower().startswith(start))

    def prompt(self, key: str) -> str:
        """What calls it in prompts; "" where no prompt reaches it."""
        entry = self.entries[key]
        called = self._lookup.name_of(entry.path) if takes_embeddings(entry.tables) else None
        return f"{IDENTIFIER}{called}" if called and not entry.term else ""

    def known(self) -> Iterator[Known]:
        """What a prompt may mean."""
        for key, one in self.entries.items():
            yield Known(one.name, one.tables, one.vectors, place=os.path.dirname(key))
        yield from (Known(one.path.stem, trouble=one.reason) for one in self.skipped)


class Collection:
    """The shelf, kept current."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self._library: Library | None = None
        self._lengths: dict[tuple[str, str, int, int], tuple[tuple[int, float], ...]] = {}
        self._lock = threading.Lock()

    def look(self) -> Shelf:
        """Look at the folders. What was seen before is not opened again."""
        with self._lock:
            places = (Path(os.path.abspath(folder)) for folder in embeddings_dirs())
            roots = tuple(place for place in places if place.is_dir())
            if self._library is None or roots != self.shelf.roots:
                self._library = Library(roots, _cache())
            changed = bool(self._library.refresh())
            if changed or roots != self.shelf.roots:
                entries = dict(_keyed(self._library.entries, roots))
                skipped = self._library.skipped
                self.shelf = Shelf(roots, entries, skipped, self.shelf.version + 1)
            return self.shelf

    def find(self, key: str) -> Entry:
        """One of the shelf. Raises NotFoundError for another: nothing else is ever opened."""
        entry = self.shelf.entries.get(key) or self.look().entries.get(key)
        if entry is None:
            what = f"there is no embedding {key!r:.200}"
            raise NotFoundError(what, "its file may have been moved", "look again")
        return entry

    def lengths(self, entry: Entry) -> tuple[tuple[int, float], ...]:
        """(width, length of the longest vector) of each table; none for a file that is damaged."""
        try:
            facts = os.stat(entry.file)
            key = entry.file, entry.term, facts.st_mtime_ns, facts.st_size
            if key not in self._lengths:
                vectors = read_embedding(entry.path, entry.term or None).vectors.values()
                found = ((rows.shape[1], float(rows.norm(dim=1).max())) for rows in vectors)
                self._lengths[key] = tuple(found)
            return self._lengths[key]
        except (OSError, FileError):
            return ()

    def strength(self, entry: Entry) -> tuple[float, str] | None:
        """How loud it is beside a word, and what that means; None as long as no node has looked at
        the words of a model of its widths."""
        found = [
            length / _usual_lengths[width]
            for width, length in self.lengths(entry)
            if width in _usual_lengths
        ]
        return (max(found), verdict(max(found))) if found else None


def _keyed(entries: Sequence[Entry], roots: Sequence[Path]) -> Iterator[tuple[str, Entry]]:
    taken: set[str] = set()
    for entry in entries:
        root = next(root for root in roots if entry.path.is_relative_to(root))
        key = entry.path.relative_to(root).as_posix() + (f"#{entry.term}" if entry.term else "")
        number = 2
        while key in taken:  # another embeddings folder has a file of that name
            key, number = f"{key.partition('|')[0]}|{number}", number + 1
        taken.add(key)
        yield key, entry


def _cache() -> Path:
    """Where ComfyUI keeps what belongs to its users."""
    return Path(folder_paths.get_user_directory()) / "textual_inversion"


collection = Collection()
"""Of this process; empty until somebody asks."""
