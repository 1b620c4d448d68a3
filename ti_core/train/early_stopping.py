"""When a training has nothing more to learn: its validation loss no longer falls.

The mean loss of the last N steps is compared with that of the N steps before. DVAR's test (Voronov
et al. 2023, arXiv 2302.04841: variance of the last steps ÷ variance of all) ended runs long before
they had learned, because the loss falls steeply in the first steps: docs/validation.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


def settled(found: Sequence[Found], options: ValidationConfig) -> Settled | None:
    """Whether the run ends with the last of these validations."""
    if not options.early_stopping:
        return None
    count = max(LEAST, math.ceil(options.early_stopping_patience / options.every))
    losses = [one.judged_by for one in found[-2 * count :]]
    if len(losses) < 2 * count:
        return None
    before, last = math.fsum(losses[:count]), math.fsum(losses[count:])
    fall = 1 - last / before if before else 0.0
    if fall >= options.early_stopping_threshold:
        return None
    return Settled(found[-1].step, found[-count].step, fall)
