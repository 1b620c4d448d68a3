"""Layers with frozen weights, computed with oneDNN in a layout that is made once.

torch hands every weight to oneDNN in its plain layout, and oneDNN re-lays it at each call. Where a
large weight meets few positions that takes longer than the computing itself. The operations are
those of torch's own compiler (`torch.ops.mkldnn`); `works` finds a build without them, or one whose
results differ.

Here the weight is laid out for the output, and once more for the gradient of the input, which is
the same kind of layer with the weight turned around. A frozen weight needs no gradient of its own,
so nothing is kept for the backward pass but the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import conv2d, linear

from .frozen_convolution import FrozenConvolution, Steps

_CLOSE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Precision that can be had → by how much results of `works` may differ; they are about 1."""


class FrozenLayer(Protocol):
    """A layer with a weight that stays."""

    def output(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """What the layer makes of `x`."""

    def input_gradient(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """The gradient of an input of `size`, from that of the output."""


class FrozenLinear:
    """`torch.nn.functional.linear`. Both layouts are made at their first use."""

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        """(out, in); `dtype` is what it computes in, and what comes in and out."""
        self._weight, self._dtype = weight.detach(), dtype

    @cached_property
    def _for_output(self) -> Tensor:
        return _linear_layout(self._weight.to(self._dtype))

    @cached_property
    def _for_gradient(self) -> Tensor:
        return _linear_layout(self._weight.t().to(self._dtype))

    def output(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(…, in) → (…, out)"""
        return _linear(x, self._for_output, bias)

    def input_gradient(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """(…, out) → (…, in)"""
        return _linear(gradient, self._for_gradient, None)


def _linear_layout(weight: Tensor) -> Tensor:
    found: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
    return found


def _linear(x: Tensor, layout: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, layout, bias, "none", [], "")
    return found


class _Frozen(torch.autograd.Function):
    """A layer whose weight and bias are constants: nothing but the layer itself is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, layer: FrozenLayer) -> Tensor:
        ctx.layer, ctx.size = layer, x.shape
        found = layer.output(x, bias)
        # a view that comes out of here could not be changed in place, as some programs do
        return torch.ops.aten._unsafe_view(found, found.shape) if found._is_view() else found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.layer.input_gradient(gradient, ctx.size), None, None


def frozen(layer: FrozenLayer, x: Tensor, bias: Tensor | None) -> Tensor:
    """The layer's output, differentiable in `x`."""
    if torch.is_grad_enabled() and x.requires_grad:
        found: Tensor = _Frozen.apply(x, bias, layer)
        return found
    return layer.output(x, bias)


@cache
def works(dtype: torch.dtype) -> bool:
    """Whether this machine and this build of torch have all of it in a precision.

    Tried out: names and arguments of the operations are torch's own affair.
    """
    if dtype not in _CLOSE or not torch.backends.mkldnn.is_available():
        return False
    try:
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        return _is_right(dtype)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _is_right(dtype: torch.dtype) -> bool:
    """Whether two small layers and their gradients are what torch makes of them otherwise."""
    steps = Steps(padding=(1, 1))
    kernel, matrix = (_waves(size, dtype) for size in ((4, 8, 3, 3), (4, 8)))
    picture, rows = _waves((1, 8, 5, 5), dtype), _waves((3, 8), dtype)
    conv, flat = FrozenConvolution(kernel, dtype, steps), FrozenLinear(matrix, dtype)
    close = _CLOSE[dtype]
    return _agree(
        lambda x: frozen(conv, x, None), lambda x: conv2d(x, kernel, None, 1, 1), picture, close
    ) and _agree(lambda x: frozen(flat, x, None), lambda x: linear(x, matrix), rows, close)


def _agree(
    one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], x: Tensor, close: float
) -> bool:
    found = []
    for layer in (one, other):
        with torch.enable_grad():
            leaf = x.clone().requires_grad_()
            output = layer(leaf)
            (gradient,) = torch.autograd.grad(output, leaf, _waves(output.shape, x.dtype))
        found += [output.detach(), gradient]
    pairs = ((found[0], found[2]), (found[1], found[3]))
    return all(torch.allclose(a, b, rtol=close, atol=close) for a, b in pairs)


def _waves(size: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Numbers between -1 and 1 that are as good as random, without touching a random state."""
    count = torch.Size(size).numel()
    return torch.sin(torch.arange(count) * 1.7).reshape(tuple(size)).to(dtype)
