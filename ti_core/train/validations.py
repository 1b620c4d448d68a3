"""What the validations of a run have found so far, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Found(NamedTuple):
    """One validation: mean losses of the same images, noise and timesteps at every step."""

    step: int
    """Updates done."""
    loss: float
    """On images that are trained on."""
    held_out: float | None = None
    """On images that are not; None where there are none."""

    @property
    def is_finite(self) -> bool:
        """Whether it can be compared with others."""
        return all(math.isfinite(loss) for loss in (self.loss, self.held_out) if loss is not None)

    @property
    def judged_by(self) -> float:
        """The loss that decides which copy is the best: what is held out tells more."""
        return self.loss if self.held_out is None else self.held_out


class Validations:
    """Those of a run, their steps rising."""

    all: list[Found]

    def __init__(self, found: Iterable[Sequence[Any]] = ()) -> None:
        """`found`: (step, loss, held-out loss) as states keep them; see `is_validation`."""
        self.restore(found)

    def restore(self, found: Iterable[Sequence[Any]]) -> None:
        """Be as in a state; see `__init__`."""
        self.all = [Found(*one) for one in found]

    def add(self, found: Found) -> None:
        """One more."""
        self.all.append(found)

    def done_at(self, step: int) -> bool:
        """Whether the last one was after `step` updates."""
        return bool(self.all) and self.all[-1].step == step

    @property
    def best(self) -> Found | None:
        """The earliest with the lowest loss; never the start, where nothing is learned."""
        return best_of(self.all)

    def is_best(self, step: int) -> bool:
        """Whether what was validated after `step` updates is the best so far."""
        return self.best is not None and self.best.step == step

    def values(self) -> list[list[float | None]]:
        """As JSON values."""
        return [[one.step, one.loss, one.held_out] for one in self.all]


def best_of(found: Iterable[Found]) -> Found | None:
    """See `Validations.best`."""
    return min((one for one in found if one.step), key=_by_loss, default=None)


def is_validation(value: object) -> bool:
    """Whether a value of a file is one that `Validations` takes."""
    if not isinstance(value, list) or len(value) != 3:
        return False
    step, loss, held_out = value
    counts = type(step) is int and step >= 0
    return counts and _is_loss(loss) and (held_out is None or _is_loss(held_out))


def _by_loss(one: Found) -> float:
    return one.judged_by


def _is_loss(value: object) -> bool:
    return type(value) is float and math.isfinite(value)
