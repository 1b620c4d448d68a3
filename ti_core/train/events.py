"""What a run tells the world: frozen records, each one JSON line in `events.jsonl`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..events import Event

SavedKind = Literal["copy", "best", "state", "card"]
Measures = dict[str, list[float]]
"""Name of a trained tensor → numbers that show how training changes it; for an embedding, the
lengths of its vectors for each text encoder."""


@dataclass(frozen=True)
class Started(Event):
    """Everything is checked and the first update comes next."""

    name: str
    run_folder: Path
    step: int
    """Updates already done: not 0 after a resume."""
    max_steps: int
    pictures: int
    template: str
    model: str
    size: str
    """How much is trained, in words, such as "3 vector(s)"."""
    measures: Measures
    """At the start."""
    segments: list[tuple[int, int, float]]
    """(first step, step that ends it, rate) of the learning-rate schedule."""
    steps_per_epoch: int = 0
    """Updates in which every image is seen; 0 in logs of older versions."""
    loss: float | None = None
    """Running mean of the updates done; None where there were none, or they are not known."""
    strength: Measures = field(default_factory=dict)
    """At the start: see `Saved`."""
    verdict: str = ""
    usual_lengths: dict[str, float] = field(default_factory=dict)
    """Text encoder → the usual (median) length of a word; empty where no word is trained."""


@dataclass(frozen=True)
class Encoding(Event):
    """Before the first update images become latents; told once a second where that takes long."""

    done: int
    total: int
    at: float = field(default_factory=time.time, compare=False)
    """Seconds since 1970."""


@dataclass(frozen=True)
class StepDone(Event):
    """An update was made."""

    step: int
    """Updates done over the embedding's life, this one counted."""
    epoch: int
    epoch_step: int
    """A1111's display: both count from 0."""
    loss: float
    rate: float
    seconds: float
    prompt: str = ""
    """Of the first image; the beginning of a long one."""


@dataclass(frozen=True)
class Measured(Event):
    """How the vectors stand: told every so many updates; see `measuring`."""

    step: int
    strength: Measures
    """Text encoder → each vector's length ÷ the usual length of a word."""
    drift: Measures = field(default_factory=dict)
    """Text encoder → each vector's distance from where it began ÷ that length; empty where that is
    not known."""


@dataclass(frozen=True)
class Validated(Event):
    """What is learned was asked the same questions as before: fixed images, noise, timesteps."""

    step: int
    loss: float
    """On images that are trained on."""
    held_out_loss: float | None = None
    """On images that are not; None where there are none."""
    is_best: bool = False
    """The lowest so far: of the held-out losses where there are such."""


@dataclass(frozen=True)
class Previewing(Event):
    """A preview image is being drawn, which may take longer than many steps."""

    step: int
    number: int
    """Counted from 1."""
    total: int


@dataclass(frozen=True)
class PreviewReady(Event):
    """A preview image was written."""

    step: int
    path: Path
    prompt: str


@dataclass(frozen=True)
class Saved(Event):
    """A file was written: a copy of the embedding, the copy that is the best so far, what is needed
    to resume, or a card."""

    step: int
    path: Path
    kind: SavedKind
    measures: Measures = field(default_factory=dict)
    """Of what was written."""
    strength: Measures = field(default_factory=dict)
    """Text encoder → each vector's length ÷ the usual length of a word; empty where no word is
    trained."""
    verdict: str = ""
    """What the strongest of them means, a key of `tools.strength.VERDICTS`: weak, normal, strong or
    overtrained."""


@dataclass(frozen=True)
class Paused(Event):
    """The run waits, with the model claimed."""

    step: int


@dataclass(frozen=True)
class Resumed(Event):
    """The pause is over."""

    step: int


@dataclass(frozen=True)
class RateChanged(Event):
    """The user multiplied the learning rate; it applies from the next update on."""

    step: int
    factor: float
    rate: float
    """Of the next update."""


@dataclass(frozen=True)
class EndChanged(Event):
    """The run will end at another step than it told before: nothing more is learned."""

    step: int
    max_steps: int
    """At which it ends now."""


@dataclass(frozen=True)
class Finished(Event):
    """The embedding was written; `reason` says whether all steps were done."""

    step: int
    path: Path
    run_folder: Path
    reason: Literal["done", "stopped"]
    seconds: float
    measures: Measures
    strength: Measures = field(default_factory=dict)
    """At the end: see `Saved`."""
    verdict: str = ""
    best_step: int | None = None
    """The step with the lowest validation loss; None where nothing was validated."""
    best_path: Path | None = None
    """The copy of that step."""
    further_paths: list[Path] = field(default_factory=list)
    """The embeddings of the other words, in a run of several."""


@dataclass(frozen=True)
class Failed(Event):
    """The run ended with an error; what was learned is in the run folder."""

    step: int
    error: str
    run_folder: Path
