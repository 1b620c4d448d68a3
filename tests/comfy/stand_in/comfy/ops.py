"""Layers that cast their weights to their input at each call, if told so."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.profile import NEWER

_BUFFER = torch.zeros(0)
"""What weights that move are brought into, each over the one before it."""


def _brought(weight: Tensor, x: Tensor, patches: list[Any]) -> Tensor:
    """The weight with its patches, in the type of the input, in the buffer. Autograd does not
    notice when the next one overwrites it."""
    global _BUFFER
    if _BUFFER.numel() < weight.numel():
        with torch.inference_mode(False):  # it outlives whoever's mode it is made in
            _BUFFER = torch.zeros(4 * weight.numel())
    value = weight.detach().to(torch.float32, copy=True)
    for strength, difference in patches:
        value += strength * difference
    place = _BUFFER.data[: weight.numel()].view(weight.shape)
    place.data.copy_(value.to(weight.dtype))  # as it is stored
    return place.to(x.dtype)


class CastWeights:
    """Mixed into layers; the flags are ComfyUI's."""

    moves: list[Any] | None = None
    """Patches of a weight that is brought at each call (DynamicVRAM); None where it stays."""

    comfy_cast_weights = False
    weight_function: list[Any] = []  # noqa: RUF012
    bias_function: list[Any] = []  # noqa: RUF012

    def reset_parameters(self) -> None:
        """Weights come from a file."""

    def cast(self: Any, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Weight and bias like the input."""
        if NEWER:
            throw_exception_if_processing_interrupted()
        bias = getattr(self, "bias", None)
        if self.moves is not None:
            return _brought(self.weight, x, self.moves), None if bias is None else bias.to(x.dtype)
        if not self.comfy_cast_weights:
            return self.weight, bias
        return self.weight.to(x.dtype), None if bias is None else bias.to(x.dtype)


class Linear(CastWeights, nn.Linear):
    """(…, into) → (…, out)"""

    def forward(self, x: Tensor) -> Tensor:
        """See torch."""
        return F.linear(x, *self.cast(x))


class Conv2d(CastWeights, nn.Conv2d):
    """(B, into, h, w) → (B, out, h, w)"""

    def forward(self, x: Tensor) -> Tensor:
        """See torch."""
        return self._conv_forward(x, *self.cast(x))


class LayerNorm(CastWeights, nn.LayerNorm):
    """(…, width) → (…, width)"""

    def forward(self, x: Tensor) -> Tensor:
        """See torch."""
        return F.layer_norm(x, self.normalized_shape, *self.cast(x), self.eps)


class GroupNorm(CastWeights, nn.GroupNorm):
    """(B, c, h, w) → (B, c, h, w)"""

    def forward(self, x: Tensor) -> Tensor:
        """See torch."""
        return F.group_norm(x, self.num_groups, *self.cast(x), self.eps)


class Embedding(CastWeights, nn.Embedding):
    """Numbers → rows"""

    def forward(self, x: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        """See torch."""
        rows = F.embedding(x, self.weight)
        return rows if out_dtype is None else rows.to(out_dtype)
