"""The loss that is shown: a running mean, for that of one update is mostly its noise's luck."""

from __future__ import annotations

import math

_KEPT = 0.98
"""How much of the old mean each update keeps."""


def smoothed(before: float | None, loss: float) -> float | None:
    """The mean after one more loss; None for what is not a number. Begins with the first loss."""
    mean = loss if before is None else _KEPT * before + (1 - _KEPT) * loss
    return mean if math.isfinite(mean) else None
