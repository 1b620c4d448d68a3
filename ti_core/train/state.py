"""What a run needs to continue as if it had never stopped: one file, whole or not there.

Trained tensors and those of the optimiser are in a safetensors file, the rest is JSON in its
metadata. Nothing random is stored, because randomness is a function of the step.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError, StorageError, TrainingError
from ..files.safetensors_file import read_safetensors, write_safetensors

_MOST_STATES = 2
"""The newest state and the one before it."""


OptimizerValue = Tensor | float | str | list[object] | None
"""A value of an optimiser that can be saved."""


@dataclass
class TrainState:
    """A run after `step` updates."""

    step: int
    tensors: dict[str, Tensor]
    """The learnable's, under their names, on the CPU."""
    moments: dict[str, OptimizerValue]
    """Everything that the optimiser remembers; see `OptimizerMemory`."""
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


class OptimizerMemory:
    """Reads and restores everything that an optimiser remembers, for parameters and for groups.

    "0.exp_avg" belongs to parameter 0, "group0.d" to group 0. Of a group, what has changed since
    the optimiser was made counts: its other values are settings, which a resumed run may change,
    and so is its rate.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        """`optimizer` has made no update yet."""
        self._optimizer = optimizer
        self._made = copy.deepcopy(optimizer.state_dict()["param_groups"])

    def save(self) -> dict[str, OptimizerValue]:
        """Copies, tensors on the CPU."""
        return {key: _copy_of(value) for key, value in self._values()}

    def _values(self) -> Iterator[tuple[str, OptimizerValue]]:
        found = self._optimizer.state_dict()
        for number, values in found["state"].items():
            yield from ((f"{number}.{name}", value) for name, value in values.items())
        for number, (made, now) in enumerate(zip(self._made, found["param_groups"], strict=True)):
            for name in now.keys() - {"lr", "params"}:
                value = now[name]
                if name not in made or isinstance(value, Tensor) or value != made[name]:
                    yield f"group{number}.{name}", value

    def restore(self, values: Mapping[str, OptimizerValue]) -> None:
        """Put saved values back; what is not among them is as in a new optimiser."""
        now = self._optimizer.param_groups
        groups = [{**made, "lr": g["lr"]} for made, g in zip(self._made, now, strict=True)]
        state: dict[int, dict[str, OptimizerValue]] = {}
        for key, value in values.items():
            owner, name = key.split(".", 1)
            if owner.startswith("group"):
                groups[int(owner.removeprefix("group"))][name] = _copy_of(value)
            else:
                state.setdefault(int(owner), {})[name] = _copy_of(value)
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})


def _copy_of(value: OptimizerValue) -> OptimizerValue:
    return value.detach().cpu().clone() if isinstance(value, Tensor) else copy.copy(value)


def save_state(folder: Path, state: TrainState) -> Path:
    """Write `state-000500.safetensors`; the one before it is kept, older ones are removed."""
    path = folder / f"state-{state.step:06d}.safetensors"
    tensors = {f"tensors.{key}": value for key, value in state.tensors.items()}
    values = {item.name: getattr(state, item.name) for item in dataclasses.fields(state)}
    del values["tensors"]
    values["moments"] = {}
    for key, value in state.moments.items():
        if isinstance(value, Tensor):
            tensors[f"moments.{key}"] = value
        else:
            values["moments"][key] = value
    write_safetensors(path, tensors, {"state": json.dumps(values)})
    for old in list_states(folder)[:-_MOST_STATES]:
        old.unlink(missing_ok=True)
    return path


def list_states(folder: Path) -> list[Path]:
    """State files, oldest first."""
    found = [p for p in folder.glob("state-*.safetensors") if re.fullmatch(r"state-\d+", p.stem)]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """The step that a state file is named after."""
    return int(path.stem.removeprefix("state-"))


def read_state(path: Path) -> TrainState:
    """Read one state file, also of version 0.1. Raises FileError when it is damaged."""
    found, metadata = read_safetensors(path)
    parts: dict[str, dict[str, Tensor]] = {"tensors": {}, "vectors": {}, "moments": {}}
    for key, value in found.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    try:
        values = json.loads(metadata["state"])
        moments = parts["moments"] | values.pop("moments", {})
        # "vectors." was the prefix in version 0.1, where groups were not saved
        return TrainState(tensors=parts["vectors"] | parts["tensors"], moments=moments, **values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no saved state", str(error)) from error


def latest_state(folder: Path) -> TrainState:
    """The newest state that can be read. Raises TrainingError when there is none."""
    for path in reversed(list_states(folder)):
        try:
            return read_state(path)
        except (FileError, StorageError):
            continue  # the one before it was kept for this
    raise TrainingError(
        f"there is nothing to resume in {folder.parent}", "no state was saved", "train anew"
    )
