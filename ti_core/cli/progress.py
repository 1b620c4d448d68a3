"""Events of a run as lines and a progress bar on the terminal."""

from __future__ import annotations

import time
from pathlib import Path

from ..events import Event, Notice
from ..train.events import (
    Encoding,
    Failed,
    Finished,
    PreviewReady,
    Saved,
    Started,
    StepDone,
)
from .bar import Bar
from .plain import with_flags

_SECONDS_BETWEEN_LINES = 10.0


class TrainingBar(Bar):
    """A listener for `train`: a bar on a terminal, a line now and then in a file."""

    def __init__(self) -> None:
        self.average: float | None = None
        self.reason = ""
        self.run_folder: Path | None = None
        self._last_line = 0.0

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, Encoding):
            self._encode(event)
        elif isinstance(event, Finished):
            self._finish(event)
        elif isinstance(event, Failed):
            self.say(f"failed at step {event.step}; what was learned is in {event.run_folder}")
        elif isinstance(event, Notice):
            self.say(with_flags(f"{event.level}: {event}"))
        elif isinstance(event, PreviewReady) or (isinstance(event, Saved) and event.kind == "copy"):
            self.say(f"step {event.step}: {event.path}")

    def _start(self, event: Started) -> None:
        self.run_folder, self.last, self.before = event.run_folder, event.max_steps, event.measures
        self.say(
            f"training {event.name!r} on {event.model}: {event.size}, "
            f"{event.pictures} pictures, template {event.template}"
        )
        for start, until, rate in event.segments:
            self.say(f"learning rate {rate:g} for steps {start + 1} to {until}")
        self.open_bar(event.max_steps, "step", event.step)

    def _encode(self, event: Encoding) -> None:
        text = f"{event.done} of {event.total} pictures encoded"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self.say(text)

    def _step(self, event: StepDone) -> None:
        self.average = (
            event.loss if self.average is None else 0.98 * self.average + 0.02 * event.loss
        )
        figures = f"loss {self.average:.4f}, rate {event.rate:g}"
        if self.bar is not None:
            self.bar.set_postfix_str(figures, refresh=False)
            self.bar.update(event.step - self.bar.n)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            left = (self.last - event.step) * event.seconds
            self.say(f"step {event.step} of {self.last}, {figures}, about {left:.0f} s left")

    def _finish(self, event: Finished) -> None:
        self.reason = event.reason
        self.close()
        word = "finished" if event.reason == "done" else "stopped"
        self.say(f"{word} at step {event.step} after {event.seconds:.0f} s: {event.path}")
        for key, numbers in event.measures.items():
            before = ", ".join(f"{n:.2f}" for n in self.before.get(key, []))
            now = ", ".join(f"{n:.2f}" for n in numbers)
            self.say(f"norm of {key}: {before} at the start, {now} now")
        self.say(f"logs, copies and previews: {event.run_folder}")
