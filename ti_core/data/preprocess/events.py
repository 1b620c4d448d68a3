"""What preprocessing tells the world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...events import Event
from .names import printable_name


@dataclass(frozen=True)
class Started(Event):
    """Everything is checked and the first image comes next."""

    source: Path
    destination: Path
    total: int
    """Entries of the source folder, images or not, without captions and masks of images."""


@dataclass(frozen=True)
class PictureDone(Event):
    """An image was read, and what was made of it is written."""

    index: int
    """Its place in the source folder, from 0; also the number in the names."""
    source: Path
    written: tuple[Path, ...]
    """The images made of it; a caption lies beside each where there is one."""
    notes: tuple[str, ...] = ()
    """What the user should know about it: "it is enlarged 2.0 times"."""

    def __str__(self) -> str:
        return "; ".join((printable_name(self.source.name), *self.notes))


@dataclass(frozen=True)
class Skipped(Event):
    """Nothing was made of an entry of the source folder."""

    index: int
    source: Path
    reason: str

    def __str__(self) -> str:
        return f"{printable_name(self.source.name)} is skipped: {self.reason}"


@dataclass(frozen=True)
class Finished(Event):
    """The end; `reason` says whether everything was done."""

    reason: Literal["done", "stopped"]
    pictures: int
    """Sources that were read."""
    written: int
    """Images that were made of them."""
    skipped: int
    seconds: float
