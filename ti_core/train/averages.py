"""Moving averages of what is trained: smoother than the last update, and what files are made of."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .learnable import snapshot


class Averages:
    """One tensor for each trained one, on its device; none where nothing is averaged."""

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        """`decay` in [0, 1); 0 keeps no averages."""
        self._tensors, self._decay = tensors, decay
        self.values: dict[str, Tensor] = {}
        if decay:
            self.restore(snapshot(tensors))

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """After update `step`, counted from 1. Early ones forget faster, as in diffusers' EMA, so
        that the start does not stay in the average."""
        weight = 1 - min(self._decay, (1 + step) / (10 + step))
        for name, value in self.values.items():
            value.lerp_(self._tensors[name], weight)

    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Go back to saved averages. A run that had none begins with its tensors."""
        if self._decay:
            found = values or self._tensors
            self.values = {
                name: found[name].detach().to(tensor.device, copy=True)
                for name, tensor in self._tensors.items()
            }
