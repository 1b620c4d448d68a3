"""When a training has nothing more to learn: DVAR's test of the validation loss.

Voronov et al. 2023 (arXiv 2302.04841), `early_stopping.py` in yandex-research/DVAR: the loss of
fixed images, noise and timesteps falls and then stays. A run ends when the variance of its last
200 steps is less than 0.15 of the variance of all. There each step is validated; here every Nth is,
and the window holds as many steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .validation_config import ValidationConfig
from .validations import Found

LEAST = 8
"""Validations in the window; the variance of fewer says little."""


@dataclass(frozen=True)
class Settled:
    """The validation loss has come to rest."""

    step: int
    first: int
    """The first step of the window."""
    share: float
    """Variance within the window ÷ variance of all."""

    def __str__(self) -> str:
        return (
            f"from step {self.first} to step {self.step} the validation loss varied by "
            f"{self.share:.2g} of its variance since the start"
        )


def settled(found: Sequence[Found], options: ValidationConfig) -> Settled | None:
    """Whether the test has come true with the last of the validations."""
    if not options.early_stopping:
        return None
    count = max(LEAST, math.ceil(options.early_stopping_patience / options.every))
    losses = [one.judged_by for one in found]
    whole = _variance(losses)
    if len(losses) < count or not whole:
        return None
    share = _variance(losses[-count:]) / whole
    if share >= options.early_stopping_threshold:
        return None
    return Settled(found[-1].step, found[-count].step, share)


def _variance(losses: Sequence[float]) -> float:
    """Of all of them, as numpy's `var`; 0 for none."""
    mean = math.fsum(losses) / max(1, len(losses))
    return math.fsum((loss - mean) ** 2 for loss in losses) / max(1, len(losses))
