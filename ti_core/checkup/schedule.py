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
    parts = [f"learning rate: {', '.join(map(str, segments))}"]
    parts += [f"with {inputs.decay} decay"] if inputs.decay else []
    parts += ["fewer steps with early stopping"] if inputs.early_stopping else []
    yield Finding("schedule", "note", ", ".join(parts))
    if told := early_end(inputs.schedule, inputs.max_steps):
        yield Finding("schedule_short", "warning", *told)
