"""A run's events as ComfyUI shows them: bar, text and curve on the node, previews."""

from __future__ import annotations

import time
from dataclasses import replace

import comfy.utils
from comfy.model_management import InterruptProcessingException
from PIL import Image
from server import PromptServer

from ..ti_core.events import Event, Notice
from ..ti_core.train.config import BaseTrainConfig, TrainConfig
from ..ti_core.train.events import (
    Encoding,
    Failed,
    Finished,
    Paused,
    PreviewReady,
    Saved,
    Started,
    StepDone,
)
from ..ti_core.train.progress import OUTCOMES, after, duration_text, last_texts, so_far, step_text
from ..ti_core.train.run_folder import RunFolder
from ..ti_core.train.state import list_states
from .curve import curve_of, keep_curve
from .node import plain_text
from .runs import RunningTraining

_SECONDS_BETWEEN = 0.25
"""Between two messages to the browser."""
_PREVIEW_SIDE = 512
_NUMBERS_SHOWN = 8


class Bridge:
    """A listener for `train`. An Interrupt that it notices is passed on as a wish to end: the run
    saves everything first."""

    def __init__(self, going: RunningTraining, trains: type[BaseTrainConfig] = TrainConfig) -> None:
        """`trains` are the settings of what is trained, whose labels texts have."""
        self.going, self.node, self._trains = going, going.node, trains
        self.lines: list[str] = []
        """Notices, for the user to read when all is done."""
        self.bar: comfy.utils.ProgressBar | None = None
        self.finished: Finished | None = None
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self.going.progress = after(self.going.progress, event)
        if isinstance(event, Notice):
            self.lines.append(f"{event.level}: {event}")
            self.say(str(event))
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Encoding):
            self.say(self.going.progress.stage)
        elif isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, PreviewReady):
            self._preview(event)
        elif isinstance(event, (Saved, Paused)):
            self._note(event)
        elif isinstance(event, (Finished, Failed)):
            self._end(event)

    def say(self, text: str) -> None:
        """Show a text on the node."""
        server = getattr(PromptServer, "instance", None)
        if server is not None:
            shown = plain_text(text, self._trains)
            server.send_progress_text(shown, self.node, server.client_id)

    def draw(self) -> None:
        """Show the loss so far on the node."""
        progress = self.going.progress
        curve = curve_of(progress.losses, progress.strengths, progress.drifts)
        if curve is None:
            return
        keep_curve(self.going.workflow, self.node, curve)
        server = getattr(PromptServer, "instance", None)
        if server is not None:
            server.send_sync("ti.curve", {"node": self.node, **curve}, server.client_id)

    def _start(self, event: Started) -> None:
        if event.step:
            before = so_far(RunFolder(event.run_folder))
            shown = {name: before[name] for name in ("losses", "strengths", "drifts")}
            self.going.progress = replace(self.going.progress, **shown)
        self.bar = comfy.utils.ProgressBar(event.max_steps, node_id=self.node)
        self.say(f"{event.pictures} image(s), {event.size}, template {event.template}")

    def _step(self, event: StepDone) -> None:
        done, now = self.going.progress, time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN or done.step == done.total:
            self._last = now
            self._advance()
            self.draw()
            lines = [f"{label}: {text}" for label, text in last_texts(done)]
            self.say("\n".join([step_text(done), *lines]))

    def _preview(self, event: PreviewReady) -> None:
        with Image.open(event.path) as picture:
            self._advance(("JPEG", picture.convert("RGB"), _PREVIEW_SIDE))

    def _advance(self, preview: tuple[str, Image.Image, int] | None = None) -> None:
        """ComfyUI's bar raises when Interrupt was pressed; a run ends between two updates only."""
        if self.bar is None or self.going.control.interrupted:
            return
        try:
            progress = self.going.progress
            self.bar.update_absolute(progress.step, max(1, progress.total), preview)
        except InterruptProcessingException:
            self.going.control.interrupt()

    def _note(self, event: Saved | Paused) -> None:
        if isinstance(event, Paused):
            self.say(f"paused at step {event.step}")
        elif event.kind != "state":
            self.say(f"step {event.step}: a {event.kind} is saved as {event.path.name}")

    def _end(self, event: Finished | Failed) -> None:
        if isinstance(event, Finished):
            self.finished = event
        if self.going.control.interrupted:
            self.say(_interrupted(event))
        elif isinstance(event, Failed):
            self.say(f"failed at step {event.step}; what was learned is in {event.run_folder}")
        else:
            self.say(self.told())

    @property
    def is_done(self) -> bool:
        """Whether the run made all its steps."""
        return self.finished is not None and self.finished.reason == "done"

    def told(self) -> str:
        """The end of a run, for people."""
        end = self.finished
        if end is None:
            return ""
        lines = [f"{OUTCOMES[end.reason]} at step {end.step} after {duration_text(end.seconds)}"]
        lines.append(f"logs, copies, previews: {end.run_folder}")
        for key, numbers in end.measures.items():
            shown = ", ".join(f"{n:.2f}" for n in numbers[:_NUMBERS_SHOWN])
            more = "…" if len(numbers) > _NUMBERS_SHOWN else ""
            lines.append(f"norm of {key}: {shown}{more}")
        return plain_text("\n".join([*lines, *self.lines]), self._trains)


def _interrupted(event: Finished | Failed) -> str:
    """How to continue. Where a layer has raised the interrupt, the run ends as one that fails, and
    has no state if that was before its first step."""
    if not list_states(RunFolder(event.run_folder).state):
        return "interrupted before the first step; nothing was learned yet"
    return (
        f"interrupted at step {event.step}; everything is kept in {event.run_folder}. "
        'To continue, set Resume to "latest" or to this run'
    )
