"""What was found out about the words of a prompt, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..events import Notice


@dataclass(frozen=True)
class Known:
    """An embedding that a prompt may mean."""

    name: str
    tables: Mapping[str, int] = field(default_factory=dict)
    """Key in the file → width of its vectors; empty where only the name is known."""
    vectors: int = 0
    """How many it has for each text encoder."""
    trouble: str = ""
    """Why no prompt can use it: its file is damaged, or no embedding."""
    place: str = ""
    """The folder below the program's, with "/" between its parts."""


@dataclass(frozen=True)
class Found:
    """A stretch of a prompt that stands for an embedding."""

    name: str
    start: int
    end: int
    """Its characters, counted from 0 without the last; -1 and -1 where that is not known."""
    chunk: int
    """In which piece of 75 tokens its first vector is, counted from 1."""
    vectors: Mapping[str, int]
    """Text encoder → number of its vectors there."""
    weight: float = 1.0

    def __str__(self) -> str:
        place = f"characters {self.start + 1} to {self.end}, " if self.end > 0 else ""
        counts = ", ".join(f"{key} {count}" for key, count in self.vectors.items())
        weight = f", weight {self.weight:.4g}" if round(self.weight, 4) != 1 else ""
        return f"{self.name} is used: {place}chunk {self.chunk}, vectors for {counts}{weight}"


@dataclass(frozen=True)
class Missed:
    """A stretch of a prompt that looks like an embedding's name, and is used as letters."""

    text: str
    start: int
    end: int
    what: str
    why: str
    fix: str = ""

    @property
    def notice(self) -> Notice:
        """A warning of it."""
        return Notice("warning", self.what, self.why, self.fix)


@dataclass(frozen=True)
class PromptWords:
    """The words of a prompt, each in the order of the text."""

    found: tuple[Found, ...]
    missed: tuple[Missed, ...]

    def lines(self) -> Iterator[str]:
        """All of it for people, a line each."""
        yield from map(str, self.found)
        yield from (f"warning: {one.notice}" for one in self.missed)
        if not self.found and not self.missed:
            yield "no embedding is named"
