"""What an optimizer remembers between updates, to be saved and restored with a run."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError
from .optimizers import OPTIMIZERS, require_optimizer

OptimizerValue = Tensor | float | str | list[object] | None
"""A value of an optimizer that can be saved."""


class OptimizerMemory:
    """Reads and restores everything that an optimizer remembers, for parameters and for groups.

    "0.exp_avg" belongs to parameter 0, "group0.d" to group 0. Of a group, what has changed since
    the optimizer was made counts: its other values are settings, which a resumed run may change,
    and so is its rate.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        """`optimizer` has made no update yet."""
        self._optimizer = optimizer
        self._made = copy.deepcopy(optimizer.state_dict()["param_groups"])

    def save(self) -> dict[str, OptimizerValue]:
        """Copies, tensors on the CPU."""
        return {key: _copy_of(_on_cpu(value)) for key, value in self._values()}

    def copies(self) -> dict[str, OptimizerValue]:
        """The same, each tensor on its own device."""
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
        """Put saved values back; what is not among them is as in a new optimizer."""
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
    return value.detach().clone() if isinstance(value, Tensor) else copy.copy(value)


def _on_cpu(value: OptimizerValue) -> OptimizerValue:
    return value.detach().cpu() if isinstance(value, Tensor) else value


def require_fitting(
    optimizer: str,
    tensors: Mapping[str, Tensor],
    moments: Mapping[str, OptimizerValue],
    path: Path,
) -> None:
    """Raise FileError unless this optimizer can have remembered the `moments` of these tensors.

    It is judged by what it remembers after an update; `path` is where they come from.
    """
    entry = next((entry for name, entry in OPTIMIZERS.items() if name == optimizer), None)
    if entry is None or not moments:  # one of a newer version, or before the first update
        return
    require_optimizer(optimizer)
    leaves = [torch.ones_like(tensors[name], requires_grad=True) for name in sorted(tensors)]
    made = entry.make(leaves)
    memory = OptimizerMemory(made)
    for leaf in leaves:
        leaf.grad = torch.zeros_like(leaf)
    made.step()
    wanted = {key: _kind_of(value) for key, value in memory.save().items()}
    for key in {*wanted, *moments}:
        value = moments.get(key)
        if not re.fullmatch(r"group\d+\..+", key) and not _fits(wanted.get(key), _kind_of(value)):
            why = f"{key!r:.80} is not what {optimizer} remembers"
            raise FileError(f"{path} is damaged", why)
        if isinstance(value, Tensor) and not bool(value.isfinite().all()):
            raise FileError(f"{path} is damaged", f"{key!r} contains numbers that are not finite")


def _fits(wanted: object, found: object) -> bool:
    """Whether a value is of the right kind; one number may stand for a tensor of equal ones, as
    Prodigy writes zeros."""
    single = isinstance(wanted, tuple) and found == (wanted[0], torch.Size())
    return single or wanted == found


def _kind_of(value: OptimizerValue) -> object:
    return (value.dtype, value.shape) if isinstance(value, Tensor) else type(value)
