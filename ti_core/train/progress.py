"""How far a job is: what its events add up to, for every surface that shows it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from ..checkup.finding import Finding
from ..data.preprocess import events as preprocessing
from ..events import Event, Notice
from ..tools.strength import Strength, strength_text
from . import events as training
from . import sweep_events as sweeping
from .run_folder import RunFolder
from .smoothing import smoothed
from .standing import DRIFT, STRENGTH, Standing, greatest
from .state import latest_state
from .validations import Found, Validations, best_of

T = TypeVar("T")
Outcome = Literal["done", "stopped", "failed"]
"""stopped: by the user; what was made is kept"""
JobState = Literal["waiting", "running", "paused", Outcome]
"""waiting: for images that are being made"""
OUTCOMES: dict[JobState, str] = {"done": "finished", "stopped": "stopped", "failed": "failed"}
"""What every surface calls them."""
_MOST_POINTS = 1000
"""Of the loss curve; when there are twice as many, every other one is dropped, not the last."""
_KEPT_OF_SECONDS = 0.9
"""How much of the old mean a running mean keeps at each step."""


@dataclass(frozen=True)
class Preview:
    """An image that the job made."""

    path: Path
    step: int
    prompt: str


@dataclass(frozen=True)
class Pace:
    """How fast images are encoded: what is needed at the next event."""

    done: int
    at: float
    """Seconds since 1970."""
    seconds_each: float = 0.0
    """Running mean; 0 at the first event."""

    def later(self, event: training.Encoding) -> Pace:
        """After one more event."""
        seconds = max(0.0, event.at - self.at) / (event.done - self.done)
        return Pace(event.done, event.at, _running(self.seconds_each, seconds))


@dataclass(frozen=True)
class JobProgress:
    """A job at one moment; all of it is made for showing."""

    state: JobState = "waiting"
    stage: str = ""
    """What it is at, in words."""
    step: int = 0
    total: int = 0
    """Steps (or images) in all; 0 while that is not known."""
    first_step: int = 0
    """Where this run of it began; not 0 after a resume."""
    losses: tuple[tuple[int, float, float], ...] = ()
    """(step, loss, rate): all steps, or some of them, the older the fewer."""
    validations: tuple[Found, ...] = ()
    """The loss of the same questions, step by step."""
    loss: float | None = None
    """Running mean; None before the first update, and when it is not a number."""
    last_loss: float | None = None
    """Of the last update."""
    rate: float = 0.0
    epoch: str = ""
    """As A1111 counts: "Epoch 0: 3/5"."""
    steps_per_epoch: int = 0
    prompt: str = ""
    """Of the last update."""
    copy: Path | None = None
    """The file that was saved last."""
    seconds_per_step: float = 0.0
    """Running mean; 0 before the first update."""
    encoding: Pace | None = None
    """None before images are encoded, and where that takes no time."""
    segments: tuple[tuple[int, int, float], ...] = ()
    """(first step, step that ends it, rate) of the learning-rate schedule."""
    strengths: tuple[tuple[int, float], ...] = ()
    """(step, length of the loudest vector ÷ the usual length of a word)."""
    drifts: tuple[tuple[int, float], ...] = ()
    """(step, distance of the farthest vector from where it began ÷ that length)."""
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
        return self.state in get_args(Outcome)

    @property
    def seconds_left(self) -> float | None:
        """About how long it will take; None while that is not known."""
        if self.over or not self.total:
            return None
        return _left(self.seconds_per_step, self.total - self.step)

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self.step / self.total) if self.total else 0.0


def so_far(folder: RunFolder) -> dict[str, Any]:
    """Fields of the progress of a run that is resumed, from what it told up to its state."""
    state = latest_state(folder.state)
    step = state.step
    standings = [one for one in folder.standings() if one.step <= step]
    return {
        "losses": _thinned([point for point in folder.losses() if point[0] <= step]),
        "validations": tuple(Validations(state.validations).all),
        "strengths": _thinned(greatest(standings, STRENGTH)),
        "drifts": _thinned(greatest(standings, DRIFT)),
        "previews": tuple(Preview(*told) for told in folder.pictures() if told[1] <= step),
        "run_folder": folder.path,
    }


def after(progress: JobProgress, event: Event) -> JobProgress:
    """How the job stands after one more event."""
    if isinstance(event, (training.Started, training.Saved, training.Finished)):
        progress = _with_strength(progress, event.step, event.strength)
    if isinstance(event, training.Measured):
        return _after_measures(progress, event)
    if isinstance(event, training.StepDone):
        return _after_step(progress, event)
    if isinstance(event, Notice):
        return replace(progress, notices=(*progress.notices, event))
    if isinstance(event, sweeping.VariantStarted):
        return _before_variant(progress, event)
    if isinstance(event, training.Started):
        return _after_start(progress, event)
    if isinstance(event, training.Validated):
        return _after_validation(progress, event)
    if isinstance(event, training.EndChanged):
        return replace(progress, total=event.max_steps)
    if isinstance(event, training.Encoding):
        return _after_encoding(progress, event)
    if isinstance(event, training.Previewing):
        return replace(progress, stage=f"drawing previews: {event.number} of {event.total}")
    if isinstance(event, training.PreviewReady):
        preview = Preview(event.path, event.step, event.prompt)
        return replace(progress, stage="training", previews=(*progress.previews, preview))
    if isinstance(event, training.Saved) and event.kind == "copy":
        return replace(progress, copy=event.path)
    if isinstance(event, training.Paused):
        return replace(progress, state="paused", stage="paused")
    if isinstance(event, training.Resumed):
        return replace(progress, state="running", stage="training")
    if isinstance(event, training.Finished):
        return replace(progress, result=event.path, run_folder=event.run_folder)
    return _after_preprocessing(progress, event)


def _before_variant(progress: JobProgress, event: sweeping.VariantStarted) -> JobProgress:
    """Figures, curve and previews are those of one training of a sweep; what was noticed stays."""
    stage = f"training {event.number} of {event.variants}: {event.name}"
    return JobProgress("running", stage, notices=progress.notices, began=progress.began)


def _after_start(progress: JobProgress, event: training.Started) -> JobProgress:
    return replace(
        progress,
        stage="training",
        step=event.step,
        first_step=event.step,
        total=event.max_steps,
        loss=event.loss,
        segments=tuple(event.segments),
        steps_per_epoch=event.steps_per_epoch,
        run_folder=event.run_folder,
    )


def _with_strength(progress: JobProgress, step: int, found: training.Measures) -> JobProgress:
    if not found:
        return progress
    loudest = Strength(found).loudest
    return replace(progress, strengths=_with_point(progress.strengths, step, loudest))


def _after_measures(progress: JobProgress, event: training.Measured) -> JobProgress:
    progress = _with_strength(progress, event.step, event.strength)
    farthest = Standing(event.step, event.strength, event.drift).greatest(DRIFT)
    if farthest is None:
        return progress
    return replace(progress, drifts=_with_point(progress.drifts, event.step, farthest))


def _with_point(
    points: Sequence[tuple[int, float]], step: int, number: float
) -> tuple[tuple[int, float], ...]:
    """What came after that step was undone."""
    return _thinned([*(pair for pair in points if pair[0] < step), (step, number)])


def _after_encoding(progress: JobProgress, event: training.Encoding) -> JobProgress:
    before = progress.encoding
    pace = Pace(event.done, event.at)
    if before and before.done < event.done:
        pace = before.later(event)
    left = left_text(_left(pace.seconds_each, event.total - event.done))
    counted = f"encoding images: {event.done} of {event.total}"
    return replace(progress, encoding=pace, stage=", ".join(filter(None, (counted, left))))


def _running(mean: float, seconds: float) -> float:
    """A running mean, 0 before the first number, after one more."""
    return _KEPT_OF_SECONDS * (mean or seconds) + (1 - _KEPT_OF_SECONDS) * seconds


def _left(seconds_each: float, count: int) -> float | None:
    """Seconds for what is left; None while the pace is not known."""
    return seconds_each * count if seconds_each else None


def _after_step(progress: JobProgress, event: training.StepDone) -> JobProgress:
    losses = [*(point for point in progress.losses if point[0] < event.step)]
    losses.append((event.step, event.loss, event.rate))
    return replace(
        progress,
        stage="training",
        step=event.step,
        losses=_thinned(losses),
        loss=smoothed(progress.loss, event.loss),
        last_loss=event.loss if math.isfinite(event.loss) else None,
        rate=event.rate,
        epoch=_epoch(event, progress.steps_per_epoch),
        prompt=event.prompt,
        seconds_per_step=_running(progress.seconds_per_step, event.seconds),
    )


def _after_validation(progress: JobProgress, event: training.Validated) -> JobProgress:
    before = [one for one in progress.validations if one.step < event.step]
    found = Found(event.step, event.loss, event.held_out_loss)
    return replace(progress, validations=(*before, found))


def _epoch(event: training.StepDone, steps: int) -> str:
    of_all = f"/{steps}" if steps else ""
    return f"Epoch {event.epoch}: {event.epoch_step + 1}{of_all}"


def _thinned(points: list[T]) -> tuple[T, ...]:
    while len(points) >= 2 * _MOST_POINTS:
        points = points[:1] + points[1::2]
    return tuple(points)


def _after_preprocessing(progress: JobProgress, event: Event) -> JobProgress:
    if isinstance(event, preprocessing.Started):
        return replace(progress, stage="preprocessing", total=event.total)
    if isinstance(event, preprocessing.PictureDone):
        found = tuple(Notice("info", f"{event.source.name}: {note}") for note in event.notes)
        return replace(progress, step=progress.step + 1, notices=(*progress.notices, *found))
    if isinstance(event, preprocessing.Skipped):
        notice = Notice("warning", str(event))
        return replace(progress, step=progress.step + 1, notices=(*progress.notices, notice))
    return progress


def duration_text(seconds: float) -> str:
    """0.84 s · 12 s · 3 min 20 s · 1 h 05 min, and "?" for what is not a duration."""
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    if seconds < 10:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def left_text(seconds: float | None) -> str:
    """about 3 min 20 s left; empty while that is not known"""
    return "" if seconds is None else f"about {duration_text(seconds)} left"


def figures_text(progress: JobProgress) -> str:
    """loss 0.1234, rate 0.005, Epoch 0: 3/5, strength 1.31 (normal)"""
    loss = "?" if progress.loss is None else f"{progress.loss:.4f}"
    strength = f"strength {strength_text(progress.strengths[-1][1])}" if progress.strengths else ""
    told = (f"loss {loss}, rate {progress.rate:g}", progress.epoch, strength)
    return ", ".join(filter(None, told))


def step_text(progress: JobProgress) -> str:
    """step 3 of 20, loss 0.1234, rate 0.005, Epoch 0: 3/5, about 12 s left"""
    left = left_text(progress.seconds_left or 0.0)
    return f"step {progress.step} of {progress.total}, {figures_text(progress)}, {left}"


def validation_text(progress: JobProgress) -> str:
    """0.1234 (best 0.1201 at step 300); empty before the first."""
    if not progress.validations:
        return ""
    now, best = progress.validations[-1], best_of(progress.validations)
    told = f"{now.judged_by:.4f}"
    return f"{told} (best {best.judged_by:.4f} at step {best.step})" if best else told


def last_texts(progress: JobProgress) -> list[tuple[str, str]]:
    """What A1111 shows below the figures: label, and the last prompt, copy and image."""
    picture, copy = progress.previews[-1].path if progress.previews else None, progress.copy
    kind = "hypernetwork" if copy and copy.parent.name == "hypernetworks" else "embedding"
    found = (
        ("Last prompt", progress.prompt),
        (f"Last saved {kind}", copy and copy.name),
        ("Last saved image", picture and picture.name),
    )
    return [(label, text) for label, text in found if text]
