"""Loss and rate for TensorBoard and Weights & Biases, under kohya's names.

Both are packages that a user installs. TensorBoard's files are in the run folder; W&B sends them to
the account that `wandb login` or WANDB_API_KEY names. The csv file and events.jsonl are always
written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Literal, Protocol

from ..errors import ConfigError, setting
from ..events import Event, Listener, Notice
from ..options import recorded
from .config import BaseTrainConfig
from .events import StepDone, Validated
from .run_folder import RunFolder

FOLDER = "tensorboard"
"""In the run folder, as in A1111's log directory."""
Package = Literal["tensorboard", "wandb"]


class Tracker(Protocol):
    """Where numbers go."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Numbers of a step, by their names."""

    def close(self) -> None:
        """Nothing more comes."""


def require_trackers(config: BaseTrainConfig) -> tuple[Package, ...]:
    """The packages that the settings ask for. Raises ConfigError for one that is missing."""
    chosen = config.output.log_with
    names: tuple[Package, ...] = ("tensorboard", "wandb")
    found = names if chosen == "all" else tuple(name for name in names if name == chosen)
    for name in found:
        if find_spec(name) is None:
            what = f"{setting('log_with')} is {chosen}, and the package {name} is not installed"
            raise ConfigError(what, "", f"pip install {name}, or choose another")
    return found


class TensorBoard:
    """Event files in the run folder; steps that a resumed run makes again replace the old ones."""

    def __init__(self, config: BaseTrainConfig, folder: RunFolder, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        place = str(folder.path / FOLDER)
        self._writer = SummaryWriter(place, purge_step=step + 1 if step else None)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See `Tracker`."""
        self._writer.close()


class WandB:
    """A run of the project `log_tracker_name`."""

    def __init__(self, config: BaseTrainConfig, folder: RunFolder, step: int) -> None:
        import wandb

        output = config.output
        self._run = wandb.init(
            project=output.log_tracker_name,
            name=output.wandb_run_name or config.name,
            dir=str(folder.path),
            config=recorded(config),
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """See `Tracker`."""
        self._run.finish()


KINDS: dict[Package, Callable[[BaseTrainConfig, RunFolder, int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
}


class Tracked:
    """A listener that passes events on, and numbers to trackers. One that fails is told and left
    out: a network that is down does not end a training."""

    def __init__(self, listener: Listener, trackers: Mapping[Package, Tracker]) -> None:
        self._listener, self._trackers = listener, dict(trackers)
        self._epoch, self._losses = 0, list[float]()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        self._listener(event)
        if isinstance(event, StepDone):
            for name in list(self._trackers):
                self._try(name, lambda tracker: tracker.log(self._values(event), event.step))
            self._count(event)
        elif isinstance(event, Validated):
            values = _of_validation(event)
            for name in list(self._trackers):
                self._try(name, lambda tracker: tracker.log(values, event.step))

    def close(self) -> None:
        """Nothing more comes."""
        for name in list(self._trackers):
            self._try(name, lambda tracker: tracker.close())

    def _values(self, event: StepDone) -> dict[str, float]:
        """kohya's names; the mean of an epoch comes with the first step of the next."""
        values = {"loss": event.loss, "lr": event.rate}
        if event.epoch != self._epoch and self._losses:
            values["loss/epoch"] = sum(self._losses) / len(self._losses)
        return values

    def _count(self, event: StepDone) -> None:
        if event.epoch != self._epoch:
            self._epoch, self._losses = event.epoch, []
        self._losses.append(event.loss)

    def _try(self, name: Package, do: Callable[[Tracker], None]) -> None:
        try:
            do(self._trackers[name])
        except Exception as error:
            del self._trackers[name]
            what = f"{name} gets nothing more of this run"
            self._listener(Notice("warning", what, str(error), "training continues"))


def _of_validation(event: Validated) -> dict[str, float]:
    """kohya's name for what decides, and one of ours for the other where there are two."""
    if event.held_out_loss is None:
        return {"loss/validation/step_average": event.loss}
    return {
        "loss/validation/step_average": event.held_out_loss,
        "loss/validation/trained_pictures": event.loss,
    }


@contextlib.contextmanager
def tracked(
    config: BaseTrainConfig, folder: RunFolder, step: int, listener: Listener
) -> Iterator[Listener]:
    """The listener, and whatever the settings ask for beside it; `step` updates are done.

    Raises ConfigError for a package that is missing, and for one that cannot begin.
    """
    names = require_trackers(config)
    if not names:
        yield listener
        return
    every = Tracked(listener, {name: _begun(name, config, folder, step) for name in names})
    try:
        yield every
    finally:
        every.close()


def _begun(name: Package, config: BaseTrainConfig, folder: RunFolder, step: int) -> Tracker:
    try:
        return KINDS[name](config, folder, step)
    except Exception as error:
        what = f"{setting('log_with')}: {name} cannot begin"
        raise ConfigError(what, str(error), "choose another, or none") from error
