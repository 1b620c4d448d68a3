"""A convolution with a frozen weight, computed with oneDNN in layouts that are made once.

The gradient of its input is made by convolutions as well, with the weight turned around: by one,
or by one for each place between two strides.

In fp32, a kernel of many input channels is computed in parts whose results are added: oneDNN's own
loop over 2,560 channels takes up to 1.7 times as long (docs/speed.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

_CHANNELS = 640
"""Of the input, in a part, at most. In bf16, where each part would be rounded, there is one."""


@dataclass(frozen=True)
class Steps:
    """How a kernel moves over an image, each (vertical, horizontal)."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    def turned(self, kernel: Sequence[int]) -> Steps | None:
        """Those of the convolution that makes the input's gradient, where there is such a one."""
        beside = [size - 1 - padding for size, padding in zip(kernel, self.padding, strict=True)]
        plain = self.stride == (1, 1) and self.dilation == (1, 1)
        return Steps(padding=(beside[0], beside[1])) if plain and min(beside) >= 0 else None


class FrozenConvolution:
    """`torch.nn.functional.conv2d` in one group. Layouts are made at their first use.

    They suit the size of that use best, and give the same results for any other.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype, steps: Steps) -> None:
        """(out, in, height, width); `dtype` is what it computes in, and what comes in and out."""
        self._weight, self._dtype, self._steps = weight.detach(), dtype, steps

    def output(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(B, in, H, W) → (B, out, H', W')"""
        return self._like(x, self._for_output.of(x, bias))

    def input_gradient(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """(B, out, H', W') → (B, in, H, W)"""
        if self._for_gradient is None:
            return self._plain_gradient(gradient, size)
        return self._like(gradient, self._for_gradient(gradient, size))

    @cached_property
    def _for_output(self) -> _Kernel:
        return _Kernel(self._weight.to(self._dtype), self._steps)

    @cached_property
    def _for_gradient(self) -> Callable[[Tensor, torch.Size], Tensor] | None:
        """What makes it; None where torch is to."""
        sides, steps = self._weight.shape[2:], self._steps
        weight = self._weight.to(self._dtype).transpose(0, 1)
        turned = steps.turned(sides)
        if turned:
            kernel = _Kernel(weight.flip(2, 3), turned)
            return lambda gradient, size: kernel.of(gradient, None)
        reached = all(side >= stride for side, stride in zip(sides, steps.stride, strict=True))
        return _Strided(weight, steps) if reached and steps.dilation == (1, 1) else None

    def _like(self, x: Tensor, found: Tensor) -> Tensor:
        """In the order of memory that torch's own has: programs look at strides, or write in place
        through them. These operations always give channels last."""
        return (
            found if _is_channels_last(x) or _is_channels_last(self._weight) else found.contiguous()
        )

    def _plain_gradient(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """torch's own; of the input it needs only the size."""
        nothing = gradient.new_empty(1).expand(size)
        steps = (self._steps.stride, self._steps.padding, self._steps.dilation)
        rest = (False, (0, 0), 1, (True, False, False))
        weight = self._weight.to(self._dtype)
        found: Tensor = torch.ops.aten.convolution_backward(
            gradient, nothing, weight, None, *steps, *rest
        )[0]
        return found


class _Kernel:
    """A weight, laid out in parts of its input channels when it first meets an input."""

    def __init__(self, weight: Tensor, steps: Steps) -> None:
        """(out, in, height, width)"""
        whole = weight.dtype != torch.float32
        self._count = 1 if whole else -(-weight.shape[1] // _CHANNELS)
        self._weight: Tensor | None = weight
        self._steps = steps
        self._layouts: list[Tensor] = []

    def of(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(B, in, H, W) → (B, out, H', W'), channels last"""
        parts = x.chunk(self._count, 1)
        if self._weight is not None:
            weights = self._weight.chunk(self._count, 1)
            self._layouts = [
                _layout(weight, self._steps, part.shape)
                for weight, part in zip(weights, parts, strict=True)
            ]
            self._weight = None  # of the gradient it is a copy
        found = _convolved(parts[0], self._layouts[0], bias, self._steps)
        for part, layout in zip(parts[1:], self._layouts[1:], strict=True):
            found += _convolved(part, layout, None, self._steps)
        return found


class _Strided:
    """The gradient of a kernel that moves in strides: of every stride-th input from a convolution
    with those numbers of the kernel that reach it."""

    def __init__(self, weight: Tensor, steps: Steps) -> None:
        """(in, out, height, width)"""
        self._strides = steps.stride
        sides = zip(weight.shape[2:], steps.stride, steps.padding, strict=True)
        down, across = (_taps(*side) for side in sides)
        self._kernels = [
            (rows, columns, _Kernel(weight[:, :, rows.numbers][..., columns.numbers], Steps()))
            for rows, columns in product(down, across)
        ]

    def __call__(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """(B, out, H', W') → (B, in, H, W)"""
        order = torch.channels_last  # as convolutions give it
        found = torch.empty(size, dtype=gradient.dtype, memory_format=order)
        high, wide = self._strides
        for rows, columns, kernel in self._kernels:
            part = found[:, :, rows.place :: high, columns.place :: wide]
            if part.numel():
                above = rows.margins(part.shape[2], gradient.shape[2])
                beside = columns.margins(part.shape[3], gradient.shape[3])
                part.copy_(kernel.of(pad(gradient, (*beside, *above)), None))
        return found


@dataclass(frozen=True)
class _Taps:
    """Along one side, the numbers of a kernel that reach inputs `place`, `place + stride` and so
    on: input `place + stride * m` from output `m + first` by the first of them, from the output
    after that by the second."""

    place: int
    numbers: list[int]
    first: int

    def margins(self, inputs: int, outputs: int) -> tuple[int, int]:
        """Zeros before and after the outputs; negative where outputs reach no such input."""
        return -self.first, inputs + self.first + len(self.numbers) - 1 - outputs


def _taps(kernel: int, stride: int, padding: int) -> list[_Taps]:
    """For each place between two strides; the kernel is at least as long."""
    found = []
    for place in range(stride):
        numbers = list(range((place + padding) % stride, kernel, stride))[::-1]
        found.append(_Taps(place, numbers, (place + padding - numbers[0]) // stride))
    return found


def _is_channels_last(x: Tensor) -> bool:
    return not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _layout(weight: Tensor, steps: Steps, size: torch.Size) -> Tensor:
    reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    moves = (steps.padding, steps.stride, steps.dilation)
    found: Tensor = reorder(weight.contiguous().to_mkldnn(), *moves, 1, list(size))
    return found


def _convolved(x: Tensor, layout: Tensor, bias: Tensor | None, steps: Steps) -> Tensor:
    moves = (steps.padding, steps.stride, steps.dilation)
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, layout, bias, *moves, 1, "none", [], ""
    )
    return found
