"""Trainings that are running in this process, and what may be asked of them from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from comfy.model_management import InterruptProcessingException, processing_interrupted

from ..ti_core.train.control import Control
from ..ti_core.train.progress import JobProgress

ACTIONS = ("finish", "preview", "save", "pause", "go_on")


class RunControl(Control):
    """Wishes for a run; ComfyUI's Interrupt is one of them, while it pauses too."""

    def __init__(self) -> None:
        super().__init__()
        self._interrupted = False

    @property
    def finishing(self) -> bool:
        """Whether the run was asked to end, by us or by ComfyUI; does not clear ComfyUI's flag."""
        return self.interrupted or super().finishing

    @property
    def interrupted(self) -> bool:
        """Whether Interrupt was pressed since the run began."""
        self._interrupted = self._interrupted or bool(processing_interrupted())
        return self._interrupted

    def interrupt(self) -> None:
        """Interrupt was pressed, and the flag has been cleared by anyone who noticed it."""
        self._interrupted = True

    def require_not_interrupted(self) -> None:
        """Raise what ComfyUI expects after an interrupt."""
        if self._interrupted:
            raise InterruptProcessingException()

    def ask(self, action: str) -> None:
        """One of ACTIONS. Raises KeyError for another."""
        wishes = {
            "finish": self.finish,
            "preview": self.preview_now,
            "save": self.save_now,
            "pause": self.pause,
            "go_on": self.go_on,
        }
        wishes[action]()


@dataclass
class RunningTraining:
    """A training that is running."""

    node: str
    name: str
    control: RunControl
    workflow: str = ""
    """Of the graph in the browser."""
    progress: JobProgress = field(default_factory=JobProgress)

    def to_dict(self) -> dict[str, object]:
        """As JSON values, none of them NaN."""
        return {
            "node": self.node,
            "name": self.name,
            "step": self.progress.step,
            "steps": self.progress.total,
            "loss": self.progress.loss,
            "seconds_left": self.progress.seconds_left,
            "paused": self.control.paused,
        }


_going: dict[str, RunningTraining] = {}
"""Number of the node → its training."""


@contextlib.contextmanager
def track_training(node: str, name: str, workflow: str = "") -> Iterator[RunningTraining]:
    """Announce a training as long as the block runs."""
    _going[node] = RunningTraining(node, name, RunControl(), workflow)
    try:
        yield _going[node]
    finally:
        del _going[node]


def running_trainings() -> list[RunningTraining]:
    """Every training that is running; ComfyUI runs one graph at a time, so mostly one or none."""
    return list(_going.values())
