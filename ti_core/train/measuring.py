"""When and how it is measured where the vectors stand; see `standing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from torch import Tensor

from ..tools.strength import strength_by_lengths
from .events import Measured, Measures
from .learnable import Learnable, snapshot
from .plan import Plan

_EVERY = 20
"""Updates, where no table says how many."""


class Measuring:
    """Measures what a file would hold, where words have a usual length."""

    def __init__(
        self,
        plan: Plan,
        learnable: Learnable,
        results: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`results`: see `Updater.results`."""
        self._plan, self._learnable, self._results = plan, learnable, results
        self.begun = self._beginning()
        """Vectors as they were at the beginning of the run, on the CPU."""

    def _beginning(self) -> dict[str, Tensor]:
        if not self._learnable.usual_lengths:
            return {}
        state = None if self._plan.origin else self._plan.state
        return state.begun if state else snapshot(self._learnable.tensors)

    def at(self, step: int) -> Measured | None:
        """What the vectors are like now; None where it is not due, or words have no lengths."""
        usual = self._learnable.usual_lengths
        if not usual or not is_measured(self._plan, step):
            return None
        with self._results():
            found = strength_by_lengths(self._learnable.measures(), usual)
            drift = distances(self._learnable.tensors, self.begun, usual)
        return Measured(step, _short(found.ratios if found else {}), _short(drift))


def is_measured(plan: Plan, step: int) -> bool:
    """Every N updates and at the end, so that a run that was resumed has the same."""
    options = plan.config
    every = options.output.loss_csv_every or _EVERY
    return step % every == 0 or step == options.optimizer.last_step


def distances(
    rows: Mapping[str, Tensor], begun: Mapping[str, Tensor], usual: Mapping[str, float]
) -> Measures:
    """Key → for each vector, its distance from the beginning ÷ the usual length of a word."""
    return {
        key: ((rows[key].detach().cpu() - start).norm(dim=1) / usual[key]).tolist()
        for key, start in begun.items()
    }


def _short(found: Measures) -> Measures:
    return {key: [round(number, 6) for number in numbers] for key, numbers in found.items()}
