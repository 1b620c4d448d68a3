"""What a run needs to go on as if it had never stopped: one file, whole or not there.

Vectors and optimiser tensors lie in a safetensors file, the rest as JSON in its metadata. Nothing
random is stored, because randomness is a function of the step.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError, StorageError, TrainingError
from ..files.safetensors_file import read_safetensors, write_safetensors

_KEPT = 2
"""The newest state and the one before it."""


@dataclass
class TrainState:
    """A run after `step` updates."""

    step: int
    vectors: dict[str, Tensor]
    moments: dict[str, Tensor]
    """The optimiser's tensors, under "<parameter number>.<name>"."""
    loss_scale: float = 1.0
    good_updates: int = 0
    rate_factor: float = 1.0
    """Halved each time the run fell back because of NaN."""
    recoveries: int = 0
    pictures: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    """Model name and hash, to notice a resume on another one."""


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies of the optimiser's tensors on the CPU."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value).detach().cpu().clone()
        for number, entries in state.items()
        for name, value in entries.items()
    }


def restore_moments(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    """Put saved tensors back; groups keep their present settings."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value.clone()
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def save_state(folder: Path, state: TrainState) -> Path:
    """Write `state-000500.safetensors`; the one before it is kept, older ones are removed."""
    path = folder / f"state-{state.step:06d}.safetensors"
    tensors = {f"vectors.{key}": value for key, value in state.vectors.items()}
    tensors |= {f"moments.{key}": value for key, value in state.moments.items()}
    values = {
        item.name: getattr(state, item.name)
        for item in dataclasses.fields(state)
        if item.name not in ("vectors", "moments")
    }
    write_safetensors(path, tensors, {"state": json.dumps(values)})
    for old in list_states(folder)[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def list_states(folder: Path) -> list[Path]:
    """State files, oldest first."""
    found = [p for p in folder.glob("state-*.safetensors") if re.fullmatch(r"state-\d+", p.stem)]
    return sorted(found, key=lambda p: int(p.stem[6:]))


def read_state(path: Path) -> TrainState:
    """Read one state file. Raises FileError when it is damaged."""
    tensors, metadata = read_safetensors(path)
    parts: dict[str, dict[str, Tensor]] = {"vectors": {}, "moments": {}}
    for key, value in tensors.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    try:
        return TrainState(
            vectors=parts["vectors"], moments=parts["moments"], **json.loads(metadata["state"])
        )
    except (KeyError, TypeError, ValueError) as error:
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
