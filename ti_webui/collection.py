"""The embeddings of the program as the Library page shows them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ti_core.errors import EmbeddingError, FileError
from ti_core.files.embedding import Embedding, for_encoders
from ti_core.files.library import Library
from ti_core.files.library_entry import Entry
from ti_core.files.reading import read_embedding
from ti_core.tools.strength import strength_of

from .asking import known_lengths
from .studio import Studio


@dataclass
class Collection:
    """What is in the program's folders, looked at again with `refresh`."""

    studio: Studio
    library: Library | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    """By what they are called in the page; only these are ever opened."""
    version: int = 0
    """Another one when something has changed in the folders."""
    _lengths: dict[object, Mapping[str, Tensor]] = field(default_factory=dict)
    """File, as it was, and term → its vectors: a page asks for the strengths again and again."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Several pages look at the same library, which is for one at a time."""

    def refresh(self) -> None:
        """Look at the folders."""
        with self._lock:
            first = self.library is None
            self.library = self.library or Library(self.studio.embeddings_dirs())
            if not self.library.refresh() and not first:
                return
            entries: dict[str, Entry] = {}
            for entry in self.library.entries:
                entries[_free_label(entry, entries)] = entry
            self.entries = entries
            self.version += 1

    def find(self, label: object) -> Entry:
        """The embedding that a page speaks of. Raises EmbeddingError when there is none."""
        if not self.entries:
            self.refresh()
        entry = self.entries.get(str(label or ""))
        if entry is None:
            raise EmbeddingError("no embedding is chosen", "", "choose one; Refresh looks again")
        return entry

    def read(self, label: object) -> Embedding:
        """Its file. Raises FileError."""
        entry = self.find(label)
        return read_embedding(entry.path, entry.term or None)

    def strengths(self) -> dict[str, float]:
        """Label → how loud it is, of those that fit the model, if its words are known."""
        usual = known_lengths(self.studio)
        if not usual:
            return {}
        found = {}
        for label, entry in self.entries.items():
            vectors = self._vectors(entry, usual)
            if vectors:
                found[label] = strength_of(vectors, usual).loudest
        return found

    def _vectors(self, entry: Entry, usual: Mapping[str, float]) -> Mapping[str, Tensor]:
        """Nothing for one of another family, or whose file has been damaged since."""
        try:
            about = entry.path.stat()
            key = (entry.file, entry.term, about.st_mtime_ns, about.st_size, *usual)
            if key not in self._lengths:
                self._lengths[key] = self._fitting(entry)
            return self._lengths[key]
        except OSError:
            return {}

    def _fitting(self, entry: Entry) -> Mapping[str, Tensor]:
        try:
            embedding = read_embedding(entry.path, entry.term or None)
            widths = self.studio.host().describe().widths
            return for_encoders(embedding, widths, entry.name)
        except FileError:
            return {}


def _free_label(entry: Entry, taken: Mapping[str, Entry]) -> str:
    """Its name; of several with one name, also the file, and a number if even that is the same."""
    if entry.name not in taken:
        return entry.name
    label = f"{entry.name} · {entry.path.parent.name}/{entry.path.name}"
    number = 2
    while label in taken:
        label = f"{entry.name} · {entry.path.parent.name}/{entry.path.name} · {number}"
        number += 1
    return label
