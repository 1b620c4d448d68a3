"""Which copy is the best, as far as losses and strength can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .subject import Copy, Measured

MEASURED = (
    "The loss of each copy on the images, with the same noise and timesteps for all: lower means "
    "that the copy explains these images better. Copies whose difference to the lowest is within "
    "one standard error count as equal, and the earliest of them is taken. It does not see whether "
    "other prompts suffer: look at the strength and at the sheets."
)


@dataclass(frozen=True)
class Rated:
    """One copy among others."""

    copy: Copy
    loss: float
    behind: float
    """How much its loss is above the lowest."""
    error: float
    """Standard error of that difference, question by question."""
    strength: Measured

    @property
    def equal(self) -> bool:
        """It cannot be told from the copy with the lowest loss."""
        return self.behind <= self.error

    def to_dict(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "file": str(self.copy.path),
            "step": self.copy.step,
            "loss": self.loss,
            "behind": self.behind,
            "standard_error": self.error,
            "equal": self.equal,
            "strength": self.strength.value,
            "verdict": self.strength.verdict,
        }


def rate(copies: Sequence[Copy], losses: Tensor, strengths: Sequence[Measured]) -> list[Rated]:
    """Every copy with its figures, in the order given. `losses`: (copies, questions)."""
    means = losses.mean(dim=1)
    differences = losses - losses[int(means.argmin())]
    count = differences.shape[1]
    spread = differences.std(dim=1) if count > 1 else differences[:, 0] * 0
    return [
        Rated(copy, float(loss), float(behind), float(error) / math.sqrt(count), strength)
        for copy, loss, behind, error, strength in zip(
            copies, means, differences.mean(dim=1), spread, strengths, strict=True
        )
    ]


def best(ratings: Sequence[Rated]) -> Rated:
    """The earliest copy that is as good as the one with the lowest loss.

    The rule of one standard error (Breiman et al. 1984; Hastie et al., The Elements of Statistical
    Learning, §7.10): of what cannot be told apart the simplest, which is here the least trained.
    """
    return min((one for one in ratings if one.equal), key=lambda one: (one.copy.step, one.loss))


def line_of(one: Rated, chosen: bool) -> str:
    """A copy in figures, on one line."""
    mark = "best" if chosen else "≈" if one.equal else ""
    return (
        f"{mark:>4} step {one.copy.step:>7}  loss {one.loss:.5f}  +{one.behind:.5f} "
        f"± {one.error:.5f}  strength {one.strength}  {one.copy.label}"
    )
