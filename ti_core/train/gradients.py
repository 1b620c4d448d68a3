"""Gradients on their way to an update: loss scale, checks, clipping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NoGradientError
from .config import OptimizerConfig
from .learnable import MARK

_LARGEST_SCALE = 2.0**16
_STEPS_TO_GROW = 2000
"""As in PyTorch's GradScaler."""


@dataclass
class LossScale:
    """Keeps fp16 gradients in range: halves at an overflow, doubles after many good updates."""

    value: float
    good_updates: int = 0

    @classmethod
    def for_precision(cls, precision: str) -> LossScale:
        """65,536 for fp16; 1, and so no scaling at all, for others."""
        return cls(_LARGEST_SCALE if precision == "fp16" else 1.0)

    def shrink(self) -> bool:
        """Halve after an overflow; False when there is nothing left to halve."""
        if self.value <= 1.0:
            return False
        self.value, self.good_updates = self.value / 2, 0
        return True

    def count_good(self) -> None:
        """Count an update; grow now and then, unless nothing is scaled."""
        self.good_updates += 1
        if self.value > 1.0 and self.good_updates >= _STEPS_TO_GROW:
            self.value, self.good_updates = min(self.value * 2, _LARGEST_SCALE), 0


def unscale(parameters: Sequence[Tensor], scale: float) -> None:
    """Bring gradients back to their true size, before anything looks at it."""
    for parameter in parameters:
        if parameter.grad is not None and scale != 1.0:
            parameter.grad.div_(scale)


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor holds NaN or infinity."""
    return bool(finite(list(tensors)))


def finite(tensors: Sequence[Tensor]) -> Tensor:
    """() bool: the same, on the tensors' device."""
    found = [torch.isfinite(tensor).all() for tensor in tensors]
    return torch.stack(found).all() if found else torch.tensor(True)


def clip(parameters: Sequence[Tensor], config: OptimizerConfig, step: int) -> None:
    """Limit the unscaled gradients in place after `step` updates: A1111's "Gradient Clipping"."""
    mode, limit = config.clip_limit
    if limit is not None:
        nn = torch.nn.utils
        clip_ = nn.clip_grad_value_ if mode == "value" else nn.clip_grad_norm_
        clip_(parameters, limit.rate(step))


def require_alive(names: Sequence[str], parameters: Sequence[Tensor]) -> None:
    """After the first backward pass: every encoder's vectors, and every module of a hypernetwork,
    have a gradient that is not zero. A single tensor of a module may have none: softmax takes no
    notice of a bias that is the same for all keys.

    Raises NoGradientError with the likely cause. A1111 trains on for hours instead.
    """
    alive: dict[str, bool] = {}
    for name, parameter in zip(names, parameters, strict=True):
        # "640.k" of "640.k.linear.0.bias"; an encoder of one of several words is a whole
        part = name if MARK in name else ".".join(name.split(".")[:2])
        moves = parameter.grad is not None and bool(parameter.grad.any())
        alive[part] = alive.get(part, False) or moves
    for part in (part for part, moves in alive.items() if not moves):
        raise NoGradientError(
            f"{part} gets no gradient",
            "the image does not depend on it: an attention optimization that cannot be "
            "trained through, or a model whose output layers are zero",
            "switch such optimizations off, or use another model",
        )
