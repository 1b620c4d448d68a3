"""How strong the vectors are, and how far from where they began, step by step.

Both in lengths of an ordinary word: a strength of 1 is as long as that, and a drift of 1 is as far
from the beginning as such a word is from zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .events import Measures

STRENGTH, DRIFT = "strength", "drift"
Curve = list[tuple[int, float]]
"""(step, number), steps rising."""


class Standing(NamedTuple):
    """Vectors after so many updates."""

    step: int
    strength: Measures
    drift: Measures
    """Empty for a run that an older version has begun."""

    def greatest(self, what: str) -> float | None:
        """Of the strengths, or the drifts; None where there are none."""
        found = self.strength if what == STRENGTH else self.drift
        return max((number for numbers in found.values() for number in numbers), default=None)

    def columns(self) -> Iterator[tuple[str, float]]:
        """What a table has of it: name of a column, and the number."""
        for what, found in ((STRENGTH, self.strength), (DRIFT, self.drift)):
            for key, numbers in found.items():
                for place, number in enumerate(numbers, 1):
                    yield f"{what} {key} {place}", number


def curves_of(found: Iterable[Standing]) -> dict[str, Curve]:
    """Name of a column → its numbers, step by step."""
    curves: dict[str, Curve] = {}
    for one in found:
        for name, number in one.columns():
            curves.setdefault(name, []).append((one.step, number))
    return curves


def greatest(found: Iterable[Standing], what: str) -> Curve:
    """The greatest strength, or drift, step by step."""
    pairs = ((one.step, one.greatest(what)) for one in found)
    return [(step, number) for step, number in pairs if number is not None]
