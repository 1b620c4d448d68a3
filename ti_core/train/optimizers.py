"""The optimizers that a run can use: one entry each.

This module is imported by the settings, so an entry imports its package only when it is used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ConfigError, setting
from .optimizer_arguments import Argument

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

OptimizerName = Literal["AdamW", "AdamW8bit", "Prodigy", "AdamWScheduleFree", "DTI"]
"""kohya's names; the choices of the setting `optimizer_type`."""


@dataclass(frozen=True)
class OptimizerEntry:
    """One optimizer. Whatever it keeps, for parameters or in groups, is saved with the run."""

    make: Callable[..., Optimizer]
    """(tensors, or groups of them as torch has them, **arguments) → a new one on exactly these
    tensors; the learning rates are set before each update. It may raise ValueError for an argument
    out of its range."""
    state_size: int
    """Numbers that it keeps for each trained number, for estimates of disk space."""
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    """What `optimizer_args` may say, and what holds without it."""
    package: str = ""
    """What has to be installed for it."""
    rates: tuple[float, float] = (0.0, float("inf"))
    """Learning rates between which it is of use; others get a warning."""
    least_way: float = 0.0
    """What the rates of all updates add up to, at least; less gets a warning."""
    rate_means: str = "how far each number of a vector moves in an update, at most"
    moves_by_rate: bool = True
    """The rate is how far a number moves, whatever the gradient, as AdamW's."""


def adamw(parameters: Sequence[Tensor], **arguments: Any) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) without weight decay, which would pull
    the vectors to zero (A1111 before November 2022, diffusers)."""
    from torch.optim import AdamW

    return AdamW(parameters, lr=0.0, **{"weight_decay": 0.0, **arguments})


def adamw_8bit(parameters: Sequence[Tensor], **arguments: Any) -> Optimizer:
    """AdamW with moments of 8 bits (Dettmers et al. 2022, arXiv 2110.02861); those of tensors with
    fewer than 4,096 numbers are not shortened."""
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(parameters, lr=0.0, **{"weight_decay": 0.0, **arguments})


def prodigy(parameters: Sequence[Tensor], **arguments: Any) -> Optimizer:
    """Prodigy (Mishchenko & Defazio 2023, arXiv 2306.06101), which finds the rate by itself."""
    from prodigyopt import Prodigy

    return Prodigy(parameters, lr=1.0, **arguments)


def adamw_schedule_free(parameters: Sequence[Tensor], **arguments: Any) -> Optimizer:
    """Schedule-free AdamW (Defazio et al. 2024, arXiv 2405.15682): files and previews are made of a
    mean over the whole run, in place of a rate that falls."""
    from schedulefree import AdamWScheduleFree

    # one tensor after the other: what is saved in groups must not depend on the version of torch
    made = AdamWScheduleFree(parameters, lr=0.0, foreach=False, **arguments)
    made.train()
    return made


def dti(parameters: Sequence[Tensor], **arguments: Any) -> Optimizer:
    """Directional Textual Inversion; see `DirectionalDescent`."""
    from .directional import DirectionalDescent

    return DirectionalDescent(parameters, **arguments)


_ADAM: Mapping[str, Argument] = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
OPTIMIZERS: dict[OptimizerName, OptimizerEntry] = {
    "AdamW": OptimizerEntry(adamw, 2, _ADAM),
    "AdamW8bit": OptimizerEntry(adamw_8bit, 2, _ADAM, package="bitsandbytes"),
    "Prodigy": OptimizerEntry(
        prodigy,
        4,
        {
            **_ADAM,
            "d_coef": 1.0,
            "d0": 1e-6,
            "use_bias_correction": False,
            "safeguard_warmup": False,
        },
        package="prodigyopt",
        rates=(0.1, 10.0),
        rate_means="a factor of the rate that it finds by itself: 1 is usual",
        moves_by_rate=False,
    ),
    "AdamWScheduleFree": OptimizerEntry(
        adamw_schedule_free,
        2,
        {**_ADAM, "warmup_steps": 0.0, "r": 0.0, "weight_lr_power": 2.0},
        package="schedulefree",
    ),
    "DTI": OptimizerEntry(
        dti,
        1,
        {"kappa": 1e-4, "beta": 0.0},
        rates=(1e-4, 0.5),
        least_way=2.0,  # with so much, half of what is learned with 16 (docs/convergence.md, dti)
        rate_means="the angle in radians by which vectors turn in an update: its authors use 0.01",
        moves_by_rate=False,
    ),
}


def require_optimizer(name: str) -> OptimizerEntry:
    """An entry that can be used here. Raises ConfigError when its package is missing."""
    entry = OPTIMIZERS[name]  # type: ignore[index]
    if entry.package and importlib.util.find_spec(entry.package) is None:
        raise ConfigError(
            f"{setting('optimizer_type')} is {name}, and the package {entry.package} is missing",
            "it is not a part of this program",
            f"pip install {entry.package}, or choose AdamW",
        )
    return entry


def set_rate(optimizer: Optimizer, *rates: float) -> None:
    """Set the learning rate of every group: one for all, or one for each."""
    for number, group in enumerate(optimizer.param_groups):
        group["lr"] = rates[number % len(rates)]
