"""How a job stands: what its events add up to, for pages that look at it now and then."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..checkup.finding import Finding
from ..data.preprocess import events as preprocessing
from ..events import Event, Notice
from . import events as training

JobState = Literal["waiting", "running", "paused", "done", "stopped", "failed"]
"""waiting: for pictures that are being made · stopped: by the user, what was learned is kept"""
ENDED: tuple[JobState, ...] = ("done", "stopped", "failed")
_MOST_POINTS = 1000
"""Of the loss curve; when there are twice as many, every other one is dropped, not the last."""
_RECENT = 0.9
"""How much the mean of the seconds per step holds on to what it was."""


@dataclass(frozen=True)
class Preview:
    """A picture that the job made."""

    path: Path
    step: int
    prompt: str


@dataclass(frozen=True)
class JobProgress:
    """A job at one moment; all of it is made for showing."""

    state: JobState = "waiting"
    stage: str = ""
    """What it is at, in words."""
    step: int = 0
    total: int = 0
    """Steps (or pictures) in all; 0 while that is not known."""
    first_step: int = 0
    """Where this run of it began; not 0 after a resume."""
    losses: tuple[tuple[int, float, float], ...] = ()
    """(step, loss, rate): all steps, or some of them, the older the fewer."""
    rate: float = 0.0
    seconds_per_step: float = 0.0
    segments: tuple[tuple[int, int, float], ...] = ()
    """(first step, step that ends it, rate) of the learning-rate schedule."""
    strengths: tuple[tuple[int, float], ...] = ()
    """(step, length of the loudest vector ÷ the usual length of a word)."""
    previews: tuple[Preview, ...] = ()
    notices: tuple[Notice, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What the checkup found before the start."""
    error: str = ""
    run_folder: Path | None = None
    result: Path | None = None
    """The file that came out of it."""
    began: float = field(default_factory=time.time)
    """Seconds since 1970."""
    ended: float = 0.0

    @property
    def over(self) -> bool:
        """Nothing more will happen."""
        return self.state in ENDED

    @property
    def seconds_left(self) -> float | None:
        """About how long it will take; None while that is not known."""
        if self.over or not self.seconds_per_step or not self.total:
            return None
        return self.seconds_per_step * (self.total - self.step)

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self.step / self.total) if self.total else 0.0


def after(progress: JobProgress, event: Event) -> JobProgress:
    """How the job stands after one more event."""
    if isinstance(event, training.StepDone):
        return _after_step(progress, event)
    if isinstance(event, Notice):
        return replace(progress, notices=(*progress.notices, event))
    if isinstance(event, training.Started):
        return _after_start(progress, event)
    if isinstance(event, training.Encoding):
        return replace(progress, stage=f"encoding pictures: {event.done} of {event.total}")
    if isinstance(event, training.Previewing):
        return replace(progress, stage=f"drawing previews: {event.number} of {event.total}")
    if isinstance(event, training.PreviewReady):
        preview = Preview(event.path, event.step, event.prompt)
        return replace(progress, stage="training", previews=(*progress.previews, preview))
    if isinstance(event, training.Paused):
        return replace(progress, state="paused", stage="paused")
    if isinstance(event, training.Resumed):
        return replace(progress, state="running", stage="training")
    if isinstance(event, training.Finished):
        return replace(progress, result=event.path, run_folder=event.run_folder)
    return _after_preprocessing(progress, event)


def _after_start(progress: JobProgress, event: training.Started) -> JobProgress:
    return replace(
        progress,
        stage="training",
        step=event.step,
        first_step=event.step,
        total=event.max_steps,
        segments=tuple(event.segments),
        run_folder=event.run_folder,
    )


def _after_step(progress: JobProgress, event: training.StepDone) -> JobProgress:
    losses = [*(point for point in progress.losses if point[0] < event.step)]
    losses.append((event.step, event.loss, event.rate))
    if len(losses) >= 2 * _MOST_POINTS:
        losses = losses[:1] + losses[1::2]
    before = progress.seconds_per_step or event.seconds
    return replace(
        progress,
        stage="training",
        step=event.step,
        losses=tuple(losses),
        rate=event.rate,
        seconds_per_step=_RECENT * before + (1 - _RECENT) * event.seconds,
    )


def _after_preprocessing(progress: JobProgress, event: Event) -> JobProgress:
    if isinstance(event, preprocessing.Started):
        return replace(progress, stage="preprocessing", total=event.total)
    if isinstance(event, preprocessing.PictureDone):
        found = tuple(Notice("info", f"{event.source.name}: {note}") for note in event.notes)
        return replace(progress, step=event.index + 1, notices=(*progress.notices, *found))
    if isinstance(event, preprocessing.Skipped):
        notice = Notice("warning", str(event))
        return replace(progress, step=event.index + 1, notices=(*progress.notices, notice))
    return progress
