"""Trainings of this process, found again by what they were made of.

ComfyUI keeps the outputs of the last graph only: what was trained before another graph ran would
be trained again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from .training import Trained

_MOST = 32


@dataclass(frozen=True)
class Remembered:
    """A training that was finished, and what the node said at its end."""

    made: Trained
    told: str


_kept: OrderedDict[str, Remembered] = OrderedDict()
"""Content of all that a training is made of → the training; the oldest is forgotten first."""


def remember(content: str, training: Remembered) -> None:
    """Keep a training."""
    _kept[content] = training
    while len(_kept) > _MOST:
        _kept.popitem(last=False)


def recall(content: str) -> Remembered | None:
    """The training of this content, if its files are still there."""
    found = _kept.get(content)
    if found is None or not (found.made.log.folder / "settings.json").is_file():
        return None
    return found if all(path.is_file() for path in found.made.previews) else None
