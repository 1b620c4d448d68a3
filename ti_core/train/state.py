"""What a run needs to continue as if it had never stopped: one file, whole or not there.

Trained tensors and those of the optimizer are in a safetensors file, the rest is JSON in its
metadata, and so is a checksum over the file. Nothing random is stored, because randomness is a
function of the step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError, TrainingError, setting
from ..events import Notice
from ..files.atomic import names_in, unfinished, write_bytes
from ..files.regular_file import open_regular
from ..files.safetensors_file import safetensors_in, to_bytes
from ..files.seal import SEAL, UNSEALED, require_whole, sealed
from .ladder import Savings
from .optimizer_memory import OptimizerValue, require_fitting
from .validations import is_validation

_NAME = re.compile(r"state-[0-9]{1,15}\.safetensors")
_MOST_STATES = 2
"""The newest state and the one before it."""


@dataclass
class TrainState:
    """A run after `step` updates."""

    step: int
    tensors: dict[str, Tensor]
    """The learnable's, under their names, on the CPU."""
    moments: dict[str, OptimizerValue]
    """Everything that the optimizer remembers; see `OptimizerMemory`."""
    optimizer: str = "AdamW"
    """Its name in `OPTIMIZERS`; version 0.1 had this one only."""
    loss_scale: float = 1.0
    good_updates: int = 0
    rate_factor: float = 1.0
    """Halved each time the run returned to its last state because of NaN."""
    recoveries: int = 0
    pictures: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    """Model name and hash, to notice a resume on another one."""
    loss: float | None = None
    """Running mean of the updates; None where there were none, and in states of older versions."""
    averages: dict[str, Tensor] = field(default_factory=dict)
    """Moving averages of the tensors, under the same names; empty where none are kept."""
    rate_changes: list[list[float]] = field(default_factory=list)
    """(step, factor) of each time that the user multiplied the rate; all are in `rate_factor`."""
    savings: dict[str, object] = field(default_factory=dict)
    """Those of `Savings` that the run has begun, when memory ran out."""
    validations: list[list[float | None]] = field(default_factory=list)
    """(step, loss, held-out loss) of each validation."""
    begun: dict[str, Tensor] = field(default_factory=dict)
    """Vectors as they were at the beginning; empty for hypernetworks, and in older states."""


def save_state(folder: Path, state: TrainState) -> Path:
    """Write `state-000500.safetensors`; the one before it is kept. Older ones are removed, and so
    are newer ones, which are damaged if a run continued from here. Raises StorageError."""
    path = folder / state_name(state.step)
    tensors = {f"tensors.{key}": value for key, value in state.tensors.items()}
    values = {item.name: getattr(state, item.name) for item in dataclasses.fields(state)}
    del values["tensors"], values["averages"], values["begun"]
    tensors |= {f"averages.{key}": value for key, value in state.averages.items()}
    tensors |= {f"begun.{key}": value for key, value in state.begun.items()}
    values["moments"] = {}
    for key, value in state.moments.items():
        if isinstance(value, Tensor):
            tensors[f"moments.{key}"] = value
        else:
            values["moments"][key] = value
    write_bytes(path, sealed(to_bytes(tensors, {"state": json.dumps(values), SEAL: UNSEALED})))
    found = list_states(folder)
    now = found.index(path) + 1 if path in found else len(found)
    for other in (*found[: max(0, now - _MOST_STATES)], *found[now:]):
        with contextlib.suppress(OSError):  # it takes some room, and that is all
            other.unlink()
    return path


def state_name(step: int) -> str:
    """The file name of a state after so many updates."""
    return f"state-{step:06d}.safetensors"


def list_states(folder: Path) -> list[Path]:
    """State files, oldest first. Raises StorageError."""
    found = [folder / name for name in names_in(folder) if _NAME.fullmatch(name)]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """The step that a state file is named after."""
    return int(path.stem.removeprefix("state-"))


def read_state(path: Path) -> TrainState:
    """Read one state file, also of versions 0.1 and 0.2, which have no checksum.

    Raises FileError when it is damaged.
    """
    with open_regular(path) as file:
        require_whole(file, path)
        found, metadata = safetensors_in(file, path)
    parts: dict[str, dict[str, Tensor]]
    parts = {"tensors": {}, "vectors": {}, "moments": {}, "averages": {}, "begun": {}}
    for key, value in found.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    try:
        values = json.loads(metadata["state"])
        moments = parts["moments"] | values.pop("moments", {})
        # "vectors." was the prefix in version 0.1, where groups were not saved
        rows = parts["vectors"] | parts["tensors"]
        state = TrainState(
            tensors=rows,
            moments=moments,
            averages=parts["averages"],
            begun=parts["begun"],
            **values,
        )
        _require_sane(state)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise FileError(f"{path} is not a saved state", str(error)) from error
    return state


def _require_sane(state: TrainState) -> None:
    """Raise ValueError for what no run has saved."""
    counts = (state.step, state.good_updates, state.recoveries, state.pictures)
    if any(type(count) is not int or count < 0 for count in counts):
        raise ValueError(f"it counts {counts}")
    factors = (state.loss_scale, state.rate_factor)
    if any(type(n) not in (int, float) or not 0 < n < math.inf for n in factors):
        raise ValueError(f"its factors are {factors}")
    if state.loss is not None and not (type(state.loss) is float and math.isfinite(state.loss)):
        raise ValueError(f"its loss is {state.loss!r:.80}")
    if not all(map(_is_rate_change, state.rate_changes)):
        raise ValueError(f"its rates were changed by {state.rate_changes!r:.200}")
    Savings.read(state.savings)
    if not all(map(is_validation, state.validations)):
        raise ValueError(f"its validations are {state.validations!r:.200}")
    texts = (state.optimizer, *state.facts, *state.facts.values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("it holds numbers for words")
    tensors = [*state.tensors.values(), *state.averages.values(), *state.begun.values()]
    if not state.tensors or any(tensor.dtype != torch.float32 for tensor in tensors):
        raise ValueError("it holds no fp32 tensors")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise ValueError("it contains numbers that are not finite")
    shapes = _shapes(state.tensors)
    for what, others in (("averages", state.averages), ("beginning", state.begun)):
        if others and _shapes(others) != shapes:
            raise ValueError(f"its {what} is {_shapes(others)}, and its tensors {shapes}")


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _is_rate_change(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(number) in (int, float) and 0 <= number < math.inf for number in value)
    )


def latest_state(folder: Path, tell: Callable[[Notice], None] = lambda notice: None) -> TrainState:
    """The newest state that is whole; `tell` gets a warning for each newer one that is damaged.

    Raises TrainingError when there is none.
    """
    damaged: list[FileError] = []
    for path in reversed(list_states(folder)):
        try:
            state = read_state(path)
            require_fitting(state.optimizer, state.tensors, state.moments, path)
        except FileError as error:
            damaged.append(error)  # the one before it was kept for this
            continue
        fix = f"the run continues from step {state.step}, from which the same is learned again"
        for each in damaged:
            tell(Notice("warning", each.what, each.why, fix))
        return state
    raise _nothing_to_resume(folder.parent, damaged)


def _nothing_to_resume(run: Path, damaged: Sequence[FileError]) -> TrainingError:
    what = f"there is nothing to resume in {run}"
    why = "; ".join(f"{error.what}: {error.why}" for error in damaged) or "no state was saved"
    return TrainingError(what, why, _instead(run / "embeddings"))


def _instead(copies: Path) -> str:
    """What is left to do: a new run, if possible from what the old one has learned."""
    found = sorted(name for name in names_in(copies) if not unfinished(name))
    if not found:
        return "begin a new run"
    newest = copies / max(found, key=lambda name: (copies / name).stat().st_mtime)
    return f"begin a new run from its newest copy: {setting('weights')} {newest}"
