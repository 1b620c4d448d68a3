"""Events of a run as lines and a progress bar on the terminal."""

from __future__ import annotations

import time

from ..events import Event, Notice
from ..schedule import Segment
from ..tools.strength import VERDICTS, strength_text
from ..train.events import (
    Encoding,
    EndChanged,
    Failed,
    Finished,
    Paused,
    PreviewReady,
    RateChanged,
    Resumed,
    Saved,
    Started,
    StepDone,
    Validated,
)
from ..train.progress import (
    OUTCOMES,
    JobProgress,
    after,
    duration_text,
    figures_text,
    step_text,
    validation_text,
)
from .bar import Bar
from .plain import with_flags

_SECONDS_BETWEEN_LINES = 10.0


class TrainingBar(Bar):
    """A listener for `train`: a bar on a terminal, a line now and then in a file."""

    def __init__(self, in_prompts: str = "{name}") -> None:
        """`in_prompts`: how prompts call the result, with `{name}` for its name."""
        self.in_prompts = in_prompts
        self.progress = JobProgress()
        self.finished: Finished | None = None
        self._last_line = 0.0

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self.progress = after(self.progress, event)
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, Encoding):
            self._move(self.progress.stage)
        elif isinstance(event, Finished):
            self._finish(event)
        elif isinstance(event, Failed):
            self.say(f"failed at step {event.step}; what was learned is in {event.run_folder}")
        elif isinstance(event, Notice):
            self.say(with_flags(f"{event.level}: {event}"))
        elif isinstance(event, (Paused, Resumed)):
            self.say(f"step {event.step}: {self.progress.stage}")
        elif isinstance(event, RateChanged):
            self.say(f"step {event.step}: the learning rate is {event.rate:g} from now on")
        elif isinstance(event, EndChanged):
            self.change_total(event.max_steps)
        elif isinstance(event, Validated):
            self.say(f"step {event.step}: validation loss {validation_text(self.progress)}")
        elif isinstance(event, PreviewReady) or (
            isinstance(event, Saved) and event.kind in ("copy", "card")
        ):
            self.say(f"step {event.step}: {event.path}")

    def _start(self, event: Started) -> None:
        self.before = event.measures
        self.say(
            f"training {event.name!r} on {event.model}: {event.size}, "
            f"{event.pictures} image(s), template {event.template}"
        )
        for start, until, rate in event.segments:
            self.say(f"learning rate {Segment(rate, start, until)}")
        self.open_bar(event.max_steps, "step", event.step)

    def _step(self, event: StepDone) -> None:
        if self.bar is not None:
            self.bar.update(event.step - self.bar.n)
        self._move((step_text if self.bar is None else figures_text)(self.progress))

    def _move(self, text: str) -> None:
        """Behind the bar, or as a line now and then."""
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self.say(text)

    def _finish(self, event: Finished) -> None:
        self.finished = event
        self.close()
        word, time_taken = OUTCOMES[event.reason], duration_text(event.seconds)
        self.say(f"{word} at step {event.step} after {time_taken}")
        rows = self._result(event)
        width = max(len(label) for label, _ in rows)
        for label, text in rows:
            self.say(f"  {label:<{width}}  {text}")

    def _result(self, event: Finished) -> list[tuple[str, str]]:
        """What there is now, and where: label and text of each line."""
        rows = []
        for path in (event.path, *event.further_paths):
            rows.append(("saved as", str(path)))
            rows.append(("in prompts", self.in_prompts.format(name=path.stem)))
        if event.verdict:
            strength = strength_text(self.progress.strengths[-1][1])
            rows.append(("strength", f"{strength}: {VERDICTS[event.verdict]}"))
        for key, numbers in event.measures.items():
            before, now = _numbers(self.before.get(key, [])), _numbers(numbers)
            rows.append((f"norm of {key}", f"{before} at the start, {now} now"))
        if event.best_path:
            rows.append(("best copy", f"step {event.best_step}: {event.best_path}"))
        return [*rows, ("run folder", f"{event.run_folder} (losses, copies, previews)")]


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
