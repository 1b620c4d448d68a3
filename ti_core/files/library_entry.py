"""What a library tells: its embeddings, the files it skipped, changes, and clashes of names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..families import ENCODER_KEYS, kind_of
from .embedding import ONE_ENCODER
from .library_index import Facts, Index, Record
from .library_walk import CARDS, preview_of
from .names import alike, composed


@dataclass(frozen=True)
class Entry:
    """An embedding of the library."""

    name: str
    """What is written in a prompt: the file's stem, or the term in a file of several."""
    file: str
    """Where it lies; `path` is the same."""
    term: str
    """Which one of the file's embeddings; "" when it has only one."""
    shapes: dict[str, tuple[int, int]]
    """Key in the file → (vectors, width)."""
    step: int
    trigger: str
    """The word that its maker had in mind, if the file tells."""
    base_model: str
    picture: str
    """The file that shows it, "" for none; `preview` is the same. A card shows itself."""
    changed: float = 0.0
    """When its file was changed last, in seconds since 1970."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.file)

    @property
    def preview(self) -> Path | None:
        """The image that shows it."""
        return Path(self.picture) if self.picture else None

    @property
    def vectors(self) -> int:
        """Number of vectors; the largest, where text encoders have different numbers."""
        return max(count for count, _ in self.shapes.values())

    @property
    def tables(self) -> dict[str, int]:
        """Key in the file → width of its vectors."""
        return {key: width for key, (_, width) in self.shapes.items()}

    @property
    def model(self) -> str:
        """The family of models that it is for, in words; of an unknown one the widths."""
        widths = " + ".join(map(str, self.tables.values()))
        return self.family or f"unknown (width {widths})"

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the vectors, sorted: equal to those of the models that can be trained and that
        it is for. Empty where other models' tables are in it."""
        clip = set(self.shapes) <= {ONE_ENCODER, *ENCODER_KEYS}
        return tuple(sorted(self.tables.values())) if clip else ()

    @property
    def family(self) -> str:
        """`Family.id` or `OtherModels.id`; empty for tables that no known model has."""
        kind = kind_of(self.tables)
        return kind.id if kind else ""


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was skipped."""

    path: Path
    error: str
    """Class of the error, such as "UnsafeFileError"."""
    reason: str


@dataclass(frozen=True)
class Changes:
    """Files that differ from the last time; false if there are none. Skipped files count."""

    added: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True)
class Clash:
    """Embeddings of one name and for one kind of model; the name means the winner only."""

    winner: Entry
    hidden: tuple[Entry, ...]


def entries_of(index: Index, pictures: Mapping[str, set[str]]) -> Iterator[Entry]:
    """Every embedding in the order of visiting; `pictures` are the names of those in a folder."""
    for folder, files in index.items():
        for name, record in files.items():
            for facts in record.found:
                yield _entry(folder, name, record, facts, pictures.get(folder, set()))


def _entry(folder: str, name: str, record: Record, facts: Facts, pictures: set[str]) -> Entry:
    """Strings all the way: ten thousand paths take a tenth of a second."""
    stem, _, ending = name.rpartition(".")
    shown = name if ending.lower() in CARDS else preview_of(stem, pictures) if pictures else None
    return Entry(
        facts.term or composed(stem),
        os.path.join(folder, name),
        facts.term,
        facts.shapes,
        facts.step,
        facts.trigger,
        facts.base_model,
        os.path.join(folder, shown) if shown else "",
        record.time / 1e9,
    )


def resolve(entries: Iterable[Entry]) -> list[Clash]:
    """What each name means, from embeddings in the order of visiting; `hidden` is mostly empty.

    The rule is A1111's: of equal names the last one visited replaces the others, and of names
    that differ in their case, or in how accents are composed, which are the same word to the
    model, the first one is found.
    Embeddings for different kinds of models do not meet.
    """
    groups: dict[tuple[str, tuple[tuple[str, int], ...]], list[Entry]] = {}
    for entry in entries:
        tables = tuple(sorted(entry.tables.items()))
        groups.setdefault((alike(entry.name), tables), []).append(entry)
    return [_clash(group) for group in groups.values()]


def _clash(group: list[Entry]) -> Clash:
    spelled = [entry.term or entry.path.stem for entry in group] if len(group) > 1 else [""]
    winner = group[used_by_a1111(spelled)]
    return Clash(winner, tuple(entry for entry in group if entry is not winner))


def used_by_a1111(names: Sequence[str]) -> int:
    """The place of the one that A1111 uses of several spellings of one word, in the order of
    visiting: see `resolve`. An accent that is composed in one file name and not in another makes
    two spellings."""
    latest: dict[str, int] = {}
    for place, name in enumerate(names):
        latest.pop(name, None)
        latest[name] = place
    return next(iter(latest.values()))


def difference(before: Index, after: Index) -> Changes:
    """What happened to the files that count, between two looks at the folders."""
    told: dict[str, list[Path]] = {"added": [], "changed": [], "removed": []}
    for folder in dict.fromkeys((*after, *before)):
        old, new = before.get(folder, {}), after.get(folder, {})
        if old == new:
            continue
        for name in dict.fromkeys((*new, *old)):
            what = _change(old.get(name), new.get(name))
            if what:
                told[what].append(Path(folder, name))
    return Changes(**{what: tuple(paths) for what, paths in told.items()})


def _change(old: Record | None, new: Record | None) -> str:
    """What happened to a file; "" if nothing worth a word."""
    if old is new:
        return ""
    was, counts = old is not None and old.counts, new is not None and new.counts
    if counts != was:
        return "added" if counts else "removed"
    same = old is None or new is None or not counts or old.same_content(new)
    return "" if same else "changed"
