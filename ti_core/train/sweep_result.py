"""What a training of a sweep has come to, as its run folder tells."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import TIError
from ..tools.strength import Strength
from .run_folder import RunFolder
from .state import latest_state
from .validations import Validations


@dataclass(frozen=True)
class VariantResult:
    """A training, or as much of it as was made."""

    step: int = 0
    loss: float | None = None
    """Running mean of the updates."""
    last_loss: float | None = None
    """Of the last update."""
    validation: float | None = None
    """The lowest validation loss; None where nothing was validated."""
    validation_step: int | None = None
    """Where that was."""
    strength: float | None = None
    """Length of the loudest vector ÷ the usual length of a word; None where no word is trained."""
    verdict: str = ""
    seconds: float | None = None
    """Mean of the updates."""
    file: str = ""
    """The finished one."""

    @classmethod
    def read(cls, values: object) -> VariantResult:
        """From JSON. Raises ValueError for what is not such a result."""
        if not isinstance(values, Mapping) or not values.keys() <= {f.name for f in fields(cls)}:
            raise ValueError(f"a result is {values!r:.100}")
        made = cls(**values)
        told = asdict(made)
        texts = told.pop("verdict"), told.pop("file")
        numbers = (made.step, *(number for number in told.values() if number is not None))
        if not all(isinstance(text, str) for text in texts) or not all(map(_is_number, numbers)):
            raise ValueError(f"a result is {values!r:.100}")
        return made


def result_of(run: RunFolder) -> VariantResult:
    """From state and log; empty where there is no state that can be read."""
    try:
        state = latest_state(run.state)
        losses = [one for one in run.losses() if one[0] <= state.step]
        finished = (run.events("Finished") or [{}])[-1]
        seconds = [event.get("seconds") for event in run.events("StepDone")]
    except TIError:
        return VariantResult()
    best = Validations(state.validations).best
    times = [float(each) for each in seconds if isinstance(each, (int, float))]
    return VariantResult(
        step=state.step,
        loss=state.loss,
        last_loss=_finite(losses[-1][1]) if losses else None,
        validation=best.judged_by if best else None,
        validation_step=best.step if best else None,
        strength=_loudest(finished),
        verdict=str(finished.get("verdict", "")),
        seconds=_finite(sum(times) / len(times)) if times else None,
        file=str(finished.get("path", "")),
    )


def _loudest(finished: Mapping[str, Any]) -> float | None:
    """A line that was damaged tells nothing."""
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        return _finite(Strength(finished.get("strength", {})).loudest)
    return None


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
