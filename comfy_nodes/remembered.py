"""Trainings of this process, found again by what they were made of.

ComfyUI keeps the outputs of the last graph only: what was trained before another graph ran would
be trained again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Generic

from ..ti_core.hypernetworks.hypernetwork import Hypernetwork
from .kinds import T
from .several import Several
from .training import Trained

_MOST = 32
_MOST_NUMBERS = 128 * 2**20
"""Of all that is kept, 512 MB: five hypernetworks for SD 1.x, or all embeddings."""


@dataclass(frozen=True)
class Remembered(Generic[T]):
    """A training that was finished, and what the node said at its end."""

    made: Trained[T]
    told: str

    @property
    def numbers(self) -> int:
        """How many were learned."""
        learned = self.made.learned
        if isinstance(learned, Hypernetwork):
            tables = [learned.tensors]
        else:
            words = learned.embeddings if isinstance(learned, Several) else (learned,)
            tables = [word.vectors for word in words]
        return sum(table.numel() for each in tables for table in each.values())


_kept: OrderedDict[str, Remembered[Any]] = OrderedDict()
"""Content of all that a training is made of → the training; the oldest is forgotten first."""


def remember(content: str, training: Remembered[T]) -> None:
    """Keep a training."""
    _kept[content] = training
    while len(_kept) > _MOST or sum(each.numbers for each in _kept.values()) > _MOST_NUMBERS:
        _kept.popitem(last=False)


def recall(content: str) -> Remembered[Any] | None:
    """The training of this content, if its files are still there."""
    found = _kept.get(content)
    if found is None or not (found.made.log.folder / "settings.json").is_file():
        return None
    return found if all(path.is_file() for path in found.made.previews) else None
