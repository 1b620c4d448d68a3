"""Learning-rate schedules: A1111's grammar, and the usual warm-up and decay on top of it.

    schedule = part {"," part}      part = rate [":" until]

`until` is an absolute step number, counted over the life of the embedding: a part applies to the
updates while `steps done < until`. A rate without `until`, or with `-1`, applies to the end.
Kept from A1111 (learn_schedule.py): spaces are free, empty parts are ignored, `until` beyond the
last step is cut to it, and training ends where the schedule does, which is told beforehand here.
Errors here, silent there: a part after an open-ended one, steps that do not rise, a third field,
rates that are not finite positive numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from .errors import ScheduleError, setting

_HIGHEST_RATE = 1e6
"""Beyond it a single update could leave the range of fp32."""
Decay = Literal["constant", "linear", "cosine", "cosine_with_restarts", "polynomial"]
"""diffusers' and kohya's names; "constant_with_warmup" is "constant" with warm-up steps."""
_LAST_POLYNOMIAL = 1e-7
"""The rate at which diffusers' polynomial ends."""
EXAMPLE = "write it like '0.005:100, 1e-3:1000, 1e-5'"
_LAST_RATE = "to continue training, add a last rate without a step number"


class Fall(NamedTuple):
    """Updates done when a rate begins to fall, and when it is at 0."""

    start: int
    end: int


@dataclass(frozen=True)
class Segment:
    """`rate` applies to the updates `start` to `until` - 1, counted from 0."""

    rate: float
    start: int
    until: int

    def __str__(self) -> str:
        """0.005 for steps 1 to 100"""
        first = self.start + 1
        steps = f"steps {first} to {self.until}" if first < self.until else f"step {first}"
        return f"{self.rate:g} for {steps}"


@dataclass(frozen=True)
class Schedule:
    """Segments without gaps, from step 0 on."""

    segments: tuple[Segment, ...]

    @property
    def end(self) -> int:
        """The step at which it ends, and a training with it."""
        return self.segments[-1].until

    def rate(self, step: int) -> float:
        """The rate of the update after `step` finished ones.

        Raises ScheduleError when the schedule has ended before that.
        """
        for segment in self.segments:
            if step < segment.until:
                return segment.rate
        raise ScheduleError(
            f"the schedule ends at step {self.end}, and training is at step {step}",
            "",
            _LAST_RATE,
        )

    def times(self, factor: float) -> Schedule:
        """The same with every rate multiplied."""
        return Schedule(tuple(replace(each, rate=each.rate * factor) for each in self.segments))

    def held(self, max_steps: int) -> Schedule:
        """The same, its last value kept to the end: so A1111 reads that of gradient clipping."""
        *others, last = self.segments
        return Schedule((*others, replace(last, until=max(last.until, max_steps))))


def early_end(schedule: Schedule, max_steps: int) -> tuple[str, str, str] | None:
    """What, why and fix, to be told before a training that its schedule ends before `max_steps`."""
    if schedule.end >= max_steps:
        return None
    what = f"training ends at step {schedule.end}, before step {max_steps}"
    return what, f"{setting('learning_rate')} ends there", _LAST_RATE


def parse_schedule(text: str, max_steps: int, what: str = "learning_rate") -> Schedule:
    """Read a schedule for a training of `max_steps` updates. Raises ScheduleError."""
    segments: list[Segment] = []
    start = 0
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        if segments and segments[-1].until < 0:
            raise ScheduleError(
                f"{setting(what)} {text!r} continues after an open-ended rate",
                f"{part!r} would never apply",
                EXAMPLE,
            )
        rate, until = _read_part(part, text, what)
        last = _last_until(segments)
        if until is not None and until <= last:
            raise ScheduleError(
                f"the steps of {setting(what)} {text!r} do not increase",
                f"{until} comes after {last}",
                EXAMPLE,
            )
        segments.append(Segment(rate, start, -1 if until is None else until))
        start = max_steps if until is None else until
    if not segments:
        raise ScheduleError(f"{setting(what)} is empty", "", EXAMPLE)
    return Schedule(_cut(segments, max_steps))


def _last_until(segments: list[Segment]) -> int:
    return segments[-1].until if segments else 0


def _read_part(part: str, text: str, what: str) -> tuple[float, int | None]:
    fields = [field.strip() for field in part.split(":")]
    try:
        rate = float(fields[0])
        until = int(fields[1]) if len(fields) == 2 else -1
        if len(fields) > 2 or not 0 < rate <= _HIGHEST_RATE:
            raise ValueError
        if until < 1 and until != -1:
            raise ValueError
    except ValueError:
        raise ScheduleError(
            f"{setting(what)} {text!r}: {part!r} is not a rate", "", EXAMPLE
        ) from None
    return rate, None if until == -1 else until


def _cut(segments: list[Segment], max_steps: int) -> tuple[Segment, ...]:
    """Open ends closed at `max_steps`; parts that start at or after it dropped."""
    kept = []
    for segment in segments:
        if segment.start < max_steps:
            until = max_steps if segment.until < 0 else min(segment.until, max_steps)
            kept.append(Segment(segment.rate, segment.start, until))
    return tuple(kept)


def warmup_and_decay(
    kind: Decay,
    step: int,
    warmup_steps: int,
    max_steps: int,
    rate: float = 1.0,
    cycles: int = 1,
    power: float = 1.0,
    falls_from: int | None = None,
) -> float:
    """Factor in [0, 1] for the update after `step` finished ones, of a `rate` before it.

    The same shapes as diffusers' `get_scheduler` ("constant_with_warmup", "linear", "cosine",
    "cosine_with_restarts" with its `cycles`, "polynomial" with its `power`), except that the first
    warm-up update is not lost to a rate of 0, and that the rate may stay as it is until
    `falls_from` updates are done.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if kind == "constant":
        return 1.0
    start = warmup_steps if falls_from is None else max(warmup_steps, falls_from)
    done = max(0, step - start) / max(1, max_steps - start)
    if kind == "polynomial":
        last = min(_LAST_POLYNOMIAL, rate)
        return float(((rate - last) * (1.0 - done) ** power + last) / rate)
    if kind == "cosine_with_restarts":
        done = 1.0 if done >= 1.0 else (cycles * done) % 1.0
    return 1.0 - done if kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
