"""What a sweep tells besides the events of its trainings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..events import Event
from ..options import SettingValues


@dataclass(frozen=True)
class SweepStarted(Event):
    """A sweep begins, or continues."""

    name: str
    folder: Path
    variants: int
    done: int
    """Those that were finished before."""


@dataclass(frozen=True)
class VariantStarted(Event):
    """The training of a variant comes next; its own events follow."""

    number: int
    """From 1."""
    variants: int
    name: str
    settings: SettingValues
    """Those in which the variants differ."""


@dataclass(frozen=True)
class VariantEnded(Event):
    """A variant is finished, was stopped, or failed."""

    number: int
    name: str
    state: str
    """done, stopped or failed"""
    error: str = ""


@dataclass(frozen=True)
class SweepEnded(Event):
    """Nothing is left to train, or the sweep was stopped."""

    page: Path
    """The comparison."""
    done: int
    failed: int
    left: int
