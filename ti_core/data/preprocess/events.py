"""What preprocessing tells the world: frozen records, each one line of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import TIError
from .names import shown


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    def to_json(self) -> str:
        """One line: {"event": class name, …fields}; names that are no text are spelled out."""
        fields = {"event": type(self).__name__, **dataclasses.asdict(self)}
        return json.dumps(fields, default=str)


@dataclass(frozen=True)
class Started(Event):
    """Everything is checked and the first picture comes next."""

    source: Path
    destination: Path
    total: int
    """Entries of the source folder, pictures or not."""


@dataclass(frozen=True)
class Notice(Event):
    """Something the user should know; the work goes on."""

    level: Literal["info", "warning"]
    what: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return str(TIError(self.what, self.why, self.fix))


@dataclass(frozen=True)
class PictureDone(Event):
    """A picture was read, and what was made of it is written."""

    index: int
    """Its place in the source folder, from 0; also the number in the names."""
    source: Path
    written: tuple[Path, ...]
    """The pictures made of it; a caption lies beside each where there is one."""
    notes: tuple[str, ...] = ()
    """What the user should know about it: "it is enlarged 2.0 times"."""

    def __str__(self) -> str:
        return "; ".join((shown(self.source.name), *self.notes))


@dataclass(frozen=True)
class Skipped(Event):
    """Nothing was made of an entry of the source folder."""

    index: int
    source: Path
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.source.name)} is skipped: {self.reason}"


@dataclass(frozen=True)
class Finished(Event):
    """The end; `reason` tells whether everything was done."""

    reason: Literal["done", "stopped"]
    pictures: int
    """Sources that were read."""
    written: int
    """Pictures that were made of them."""
    skipped: int
    seconds: float


Listener = Callable[[Event], None]


def notice_of(error: TIError, level: Literal["info", "warning"] = "warning") -> Notice:
    """An error that does not end the work."""
    return Notice(level, error.what, error.why, error.fix)
