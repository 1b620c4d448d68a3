"""Going on with a file: from its step, and with what a run folder remembers of exactly this file.

A1111 does so with every embedding that is chosen and trained again: steps, and places in the
learning-rate schedule, count over its life (`train_embedding`, `initial_step`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import ConfigError, FileError, TrainingError, setting
from ..events import Notice
from .a1111_memory import OPTIMIZER
from .config import BaseTrainConfig
from .optimizer_memory import OptimizerValue, require_fitting
from .run_folder import RunFolder
from .state import TrainState, read_state, state_name

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
"""That files are saved in; a state has every bit."""


@dataclass(frozen=True)
class Origin:
    """The file that a training starts from."""

    path: Path
    digest: str
    """SHA-256 of the file: one that is replaced must still be this one."""
    step: int
    """Updates that it has had."""
    tensors: Mapping[str, Tensor]
    """The learnable's, fp32, on the CPU."""
    config: BaseTrainConfig
    """The settings, with what the file tells of its own beginning."""
    notices: tuple[Notice, ...] = ()
    """What to tell where training continues from it."""
    memory: Mapping[str, OptimizerValue] = field(default_factory=dict)
    """What the program that made it left of its optimizer, an AdamW, beside it."""


def state_to_go_on(origin: Origin) -> tuple[TrainState | None, tuple[Notice, ...]]:
    """The state after the updates that the file has had, and what to tell of it; None where
    training begins at step 0.

    Raises TrainingError where all steps are done.
    """
    options = origin.config.optimizer
    step = origin.step if options.initial_step < 0 else options.initial_step
    if not step:
        return None, tuple(_restarted(origin))
    if step >= options.max_train_steps:
        raise TrainingError(
            f"{origin.config.name} has been trained for {step} steps already, and "
            f"{setting('max_train_steps')} is {options.max_train_steps}",
            "steps count over the embedding's life",
            f"raise {setting('max_train_steps')}, or set {setting('initial_step')} to 0 to start "
            "again",
        )
    state, why = _remembered(origin, step)
    what = f"{origin.config.name} continues from step {step} of {origin.path.name}"
    fix = f"{setting('initial_step')} 0 starts at step 0 again"
    return state, (Notice("info", what, why, fix), *origin.notices)


def require_origin(config: BaseTrainConfig) -> None:
    """Raise ConfigError for a step to begin with where there is no file that has had it."""
    step = config.optimizer.initial_step
    if step > 0:
        what = f"{setting('initial_step')} is {step}, and no file is given to continue from"
        raise ConfigError(what, "", f"give {setting('weights')}, or leave it at -1")


def _remembered(origin: Origin, step: int) -> tuple[TrainState, str]:
    """The state of a run folder, or one without any memory of the optimizer; and which it is."""
    run, state = next(_states_of(origin, step), (None, None))
    wanted = origin.config.optimizer.optimizer_type
    if state and state.optimizer == wanted:
        # a run of its own judges its own copies
        return replace(state, validations=[]), f"with the optimizer's memory of {run}"
    tensors = {name: tensor.clone() for name, tensor in origin.tensors.items()}
    if origin.memory and step == origin.step and wanted == OPTIMIZER:
        why = f"with the optimizer's memory in {origin.path.name}.optim"
        return TrainState(step, tensors, dict(origin.memory), wanted), why
    why = "no run folder holds the optimizer's memory of exactly this file, so it begins empty"
    if state:
        why = f"the memory of {state.optimizer} in {run} is of no use to {wanted}"
    return TrainState(step, tensors, {}, wanted), why


def _states_of(origin: Origin, step: int) -> Iterator[tuple[Path, TrainState]]:
    """Run folders in the log directory that have made this file at this step, or have a state of
    these very numbers, newest first."""
    logs = Path(origin.config.output.logging_dir)
    paths = [path for path in logs.glob(f"*/*/state/{state_name(step)}") if path.is_file()]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        with contextlib.suppress(FileError):  # a damaged one is that of no file
            state = read_state(path)
            require_fitting(state.optimizer, state.tensors, state.moments, path)
            run = path.parent.parent
            if origin.digest in RunFolder(run).made() or _holds(state, origin):
                yield run, state


def _holds(state: TrainState, origin: Origin) -> bool:
    """Whether the file could have been made of this state."""
    numbers = (state.tensors, state.averages)
    return any(_equal(one, origin.tensors, dtype) for one in numbers for dtype in _DTYPES)


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor], dtype: torch.dtype) -> bool:
    """Whether a file of this type made of `one` holds the `other` numbers."""
    rounded = {key: value.to(dtype).float() for key, value in one.items()}
    return one.keys() == other.keys() and all(torch.equal(rounded[k], other[k]) for k in other)


def _restarted(origin: Origin) -> Iterator[Notice]:
    if origin.step:
        what = f"the {origin.step} step(s) of {origin.path.name} are not counted"
        yield Notice(
            "info", what, f"{setting('initial_step')} is 0: schedule and steps start again"
        )
