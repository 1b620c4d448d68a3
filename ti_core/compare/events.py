"""What a comparison tells the world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..events import Event


@dataclass(frozen=True)
class Progress(Event):
    """So much is done."""

    stage: str
    """What it is at, in words."""
    done: int
    total: int


@dataclass(frozen=True)
class PictureReady(Event):
    """An image of a sheet is made, and kept as a file of its own."""

    path: Path
    prompt: str
    """Of its sheet, with [name] in place of the word."""
    label: str
    """Of the copy, or that it is without one."""
    weight: float
    seed: int


@dataclass(frozen=True)
class SheetReady(Event):
    """All images of a prompt are made."""

    path: Path
    prompt: str
