"""The optimisers that a run can use: one entry each.

This module is imported by the settings, so an entry imports its package only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

OptimizerName = Literal["AdamW"]
"""kohya's names; the choices of the setting `optimizer_type`."""


@dataclass(frozen=True)
class OptimizerEntry:
    """One optimiser. Whatever it keeps, for parameters or in groups, is saved with the run."""

    make: Callable[[Sequence[Tensor]], Optimizer]
    """A new one on exactly these tensors; the learning rate is set before each update."""
    state_size: int
    """Numbers that it keeps for each trained number, for estimates of disk space."""


def adamw(parameters: Sequence[Tensor]) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) without weight decay, which would pull
    the vectors to zero (A1111 before November 2022, diffusers)."""
    from torch.optim import AdamW

    return AdamW(parameters, lr=0.0, weight_decay=0.0)


OPTIMIZERS: dict[OptimizerName, OptimizerEntry] = {"AdamW": OptimizerEntry(adamw, state_size=2)}


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
