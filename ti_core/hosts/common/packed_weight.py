"""One layer of a program, computed with a packed weight.

Every program calls its layers in its own way: through casts, through LoRA, through hooks. What all
of them come to is `torch.nn.functional.linear` or `conv2d`, which is intercepted while a layer
computes, and nowhere else. A program that hands over another tensor than the parameter itself (a
cast, a quantised weight) gets torch's own computing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear
from torch.overrides import TorchFunctionMode

from .frozen_convolution import FrozenConvolution, Steps
from .onednn import FrozenLayer, FrozenLinear, frozen, works
from .precision import cpu_autocast_dtype


class PackedWeight(TorchFunctionMode):
    """While open, the operation of one layer is computed with its packed weight."""

    def __init__(self, few: int) -> None:
        super().__init__()
        self._few = few
        self._layer: FrozenLayer | None = None
        self._weight: Tensor | None = None
        self._state: tuple[object, ...] = ()
        """Of the weight, when the layer was made."""

    def forget(self) -> None:
        """Drop the packed weight, and the weight that it was made of."""
        self._layer, self._weight, self._state = None, None, ()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        options = kwargs or {}
        ours = {linear: self._linear, conv2d: self._conv2d}.get(func)
        found = ours(*args, **options) if ours else None
        return func(*args, **options) if found is None else found

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
        positions = input.numel() // input.shape[-1]
        return self._computed(input, weight, bias, positions, FrozenLinear)

    def _conv2d(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor | None:
        if groups != 1 or isinstance(padding, str) or input.dim() != 4:
            return None
        steps = Steps(_pair(stride), _pair(padding), _pair(dilation))

        def make(weight: Tensor, dtype: torch.dtype) -> FrozenLayer:
            return FrozenConvolution(weight, dtype, steps)

        return self._computed(input, weight, bias, input.numel() // input.shape[1], make)

    def _computed(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        positions: int,
        make: Callable[[Tensor, torch.dtype], FrozenLayer],
    ) -> Tensor | None:
        """None where torch is to compute as ever."""
        casts = cpu_autocast_dtype()
        dtype = casts or x.dtype
        if not works(dtype) or (dtype == torch.float32 and positions > self._few):
            return None
        if not (_is_frozen(weight) and (bias is None or _is_frozen(bias))):
            return None
        if casts is None and weight.dtype != x.dtype:  # an error, which torch raises
            return None
        layer = self._layer_of(weight, dtype, make)
        return frozen(layer, x.to(dtype), None if bias is None else bias.detach().to(dtype))

    def _layer_of(
        self, weight: Tensor, dtype: torch.dtype, make: Callable[[Tensor, torch.dtype], FrozenLayer]
    ) -> FrozenLayer:
        """Made again when the weight has changed, as by a LoRA."""
        state = (weight._version, weight.data_ptr(), dtype)
        if self._layer is None or self._weight is not weight or self._state != state:
            self._layer, self._weight, self._state = make(weight, dtype), weight, state
        return self._layer


def _is_frozen(tensor: Tensor) -> bool:
    """A parameter in main memory that wants no gradient, and tells when it is changed."""
    return (
        type(tensor) is nn.Parameter
        and tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and not tensor.requires_grad
        and not tensor.is_inference()
    )


def _pair(size: Any) -> tuple[int, int]:
    """(vertical, horizontal) of what `conv2d` takes as one number or two."""
    first, second = (size, size) if isinstance(size, int) else size * 2 if len(size) == 1 else size
    return int(first), int(second)
