"""Events of a run as lines and a progress bar on the terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

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
from .plain import said

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """A listener for `train`: a bar on a terminal, a line now and then in a file."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.average: float | None = None
        self.reason = ""
        self.run_folder: Path | None = None
        self._last_line = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

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
            self._say(f"failed at step {event.step}; what was learned is in {event.run_folder}")
        elif isinstance(event, Notice):
            self._say(said(f"{event.level}: {event}"))
        elif isinstance(event, PreviewReady) or (isinstance(event, Saved) and event.kind == "copy"):
            self._say(f"step {event.step}: {event.path}")

    def _start(self, event: Started) -> None:
        self.run_folder, self.last, self.before = event.run_folder, event.max_steps, event.measures
        self._say(
            f"training {event.name!r} on {event.model}: {event.size}, "
            f"{event.pictures} pictures, template {event.template}"
        )
        for start, until, rate in event.segments:
            self._say(f"learning rate {rate:g} for steps {start + 1} to {until}")
        self.bar = _bar(event.step, event.max_steps)

    def _encode(self, event: Encoding) -> None:
        text = f"{event.done} of {event.total} pictures encoded"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._say(text)

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
            self._say(f"step {event.step} of {self.last}, {figures}, about {left:.0f} s left")

    def _finish(self, event: Finished) -> None:
        self.reason = event.reason
        if self.bar is not None:
            self.bar.close()
        word = "finished" if event.reason == "done" else "stopped"
        self._say(f"{word} at step {event.step} after {event.seconds:.0f} s: {event.path}")
        for key, numbers in event.measures.items():
            before = ", ".join(f"{n:.2f}" for n in self.before.get(key, []))
            now = ", ".join(f"{n:.2f}" for n in numbers)
            self._say(f"norm of {key}: {before} at the start, {now} now")
        self._say(f"logs, copies and previews: {event.run_folder}")

    def _say(self, text: str) -> None:
        if self.bar is not None and not self.bar.disable:
            self.bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


def _bar(first: int, last: int) -> Any:
    """A tqdm bar, or None where the output is no terminal or tqdm is not installed."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm(initial=first, total=last, unit="step", file=sys.stderr, dynamic_ncols=True)
