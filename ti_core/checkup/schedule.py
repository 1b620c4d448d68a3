"""The learning-rate schedule, written out."""

from __future__ import annotations

from collections.abc import Iterator

from ..schedule import early_end
from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey


def schedule(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Which rate applies to which steps, and whether the schedule reaches the last one."""
    if inputs.schedule is None:
        return
    segments = inputs.schedule.segments
    told = [f"learning rate: {', '.join(map(str, segments))}"]
    told += [f"with {inputs.decay} decay"] if inputs.decay else []
    told += ["fewer steps with early stopping"] if inputs.early_stopping else []
    yield Finding("schedule", "note", ", ".join(told))
    if told := early_end(inputs.schedule, inputs.max_steps):
        yield Finding("schedule_short", "warning", *told)
