"""When a training has nothing more to learn: its validation loss no longer falls.

The mean loss of the last N steps is compared with that of the N steps before. DVAR's test (Voronov
et al. 2023, arXiv 2302.04841: variance of the last steps ÷ variance of all) ended runs long before
they had learned, because the loss falls steeply in the first steps: docs/validation.md.

A rate that decays does so only then, over N steps more: the schedule "warmup-stable-decay" (Hu et
al. 2024, arXiv 2404.06395), whose constant part is as long as there is something to learn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..schedule import Fall
from .config import BaseTrainConfig
from .validation_config import LEAST, ValidationConfig
from .validations import Found


@dataclass(frozen=True)
class Settled:
    """The validation loss no longer falls."""

    step: int
    first: int
    """The first step of the second half."""
    fall: float
    """By what part the mean of the second half is lower than that of the first."""

    def __str__(self) -> str:
        changed = f"{'lower' if self.fall >= 0 else 'higher'} by {abs(self.fall):.2%}"
        return (
            f"the mean validation loss of steps {self.first} to {self.step} is {changed} than that "
            "of as many steps before"
        )


@dataclass(frozen=True)
class Ending:
    """How a run ends, as far as its validations tell."""

    fall: Fall
    """Of the rate, if it decays; the run ends with it."""
    why: Settled | None = None
    """None: it has all of its steps."""


def ending(found: Sequence[Found], config: BaseTrainConfig, step: int = 0) -> Ending:
    """Early once the validation loss no longer falls, else at the last step; never before `step`,
    where a run may be that was told to train on."""
    last, decays = config.optimizer.last_step, bool(config.optimizer.decay)
    if not config.validation.early_stopping:
        return Ending(Fall(0, last))
    length = config.validation.early_stopping_patience if decays else 0
    latest = max(0, last - length)
    several = 2 * _window(config.validation)
    parts = (found[at : at + several] for at in range(len(found) - several + 1))
    ends = (at for part in parts if (at := settled(part, config.validation)))
    first = next((at for at in ends if at.step + length >= step), None)
    if first is None or first.step >= latest:
        return Ending(Fall(latest, last))
    return Ending(Fall(first.step, first.step + length), first)


def settled(found: Sequence[Found], options: ValidationConfig) -> Settled | None:
    """Whether the run is to end, since the loss no longer falls at the last of these."""
    if not options.early_stopping:
        return None
    count = _window(options)
    losses = [one.judged_by for one in found[-2 * count :]]
    if len(losses) < 2 * count:
        return None
    before, last = math.fsum(losses[:count]), math.fsum(losses[count:])
    fall = 1 - last / before if before else 0.0
    if fall >= options.early_stopping_threshold:
        return None
    return Settled(found[-1].step, found[-count].step, fall)


def _window(options: ValidationConfig) -> int:
    """Validations in each of the two means."""
    return max(LEAST, math.ceil(options.early_stopping_patience / options.every))
