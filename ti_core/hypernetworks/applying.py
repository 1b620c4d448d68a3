"""What hypernetworks do to the context of an attention.

A1111's `HypernetworkModule.forward` and `apply_hypernetworks`: keys are made from
`x + multiplier · k(x)`, values from `x + multiplier · v(x)`, where a module of x's width is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..port.session import Hypernetwork as Changes
from ..randomness import Draws, generator
from .activations import ACROSS_THE_BATCH, CLASSES
from .hypernetwork import prefixes, widths_of
from .structure import Piece, Structure

_RRELU = (1 / 8, 1 / 3)
"""Bounds of its slope, torch's default."""


class Applied:
    """A hypernetwork at work; a `port.session.Hypernetwork`, differentiable in the tensors."""

    def __init__(
        self,
        structure: Structure,
        tensors: Mapping[str, Tensor],
        multiplier: float = 1.0,
        draws: Draws | None = None,
    ) -> None:
        """`tensors` as in `Hypernetwork`, on the device of the contexts. Without `draws` nothing
        is random, as for images. With them, what is drawn is a function of them, of the layer
        and of the shape: a layer that is computed twice (gradient checkpointing) draws the same.
        """
        self._structure, self._tensors = structure, tensors
        self._multiplier, self._draws = multiplier, draws
        self._widths = widths_of(tensors)

    def __call__(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, width) → what keys and what values are made from, in the context's dtype."""
        return self.changed(context, context)

    def changed(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The same where another hypernetwork has changed both before."""
        width = keys.shape[-1]
        if width not in self._widths:
            return keys, values
        one, two = (
            self._module(prefix, width, x)
            for prefix, x in zip(prefixes(width), (keys, values), strict=True)
        )
        return one, two

    def _module(self, prefix: str, width: int, x: Tensor) -> Tensor:
        y = begin = x.float()
        for piece in self._structure.pieces(width):
            y = self._piece(prefix, piece, y)
        return (begin + y.float() * self._multiplier).to(x.dtype)

    def _piece(self, prefix: str, piece: Piece, x: Tensor) -> Tensor:
        name = f"{prefix}.linear.{piece.number}"
        weight, bias = self._tensors.get(f"{name}.weight"), self._tensors.get(f"{name}.bias")
        if piece.kind == "linear" and weight is not None:
            return functional.linear(x, weight, bias)
        if piece.kind == "norm":
            return functional.layer_norm(x, (piece.wide_out,), weight, bias)
        if piece.kind == "dropout":
            return x * self._kept(name, piece.share, x)
        return self._active(name, weight, x)

    def _active(self, name: str, weight: Tensor | None, x: Tensor) -> Tensor:
        if weight is not None:
            return functional.prelu(x, weight)
        if self._structure.activation == "rrelu" and self._draws:
            low, high = _RRELU
            slopes = low + (high - low) * self._uniform(name, x)
            return torch.where(x >= 0, x, x * slopes)
        made: Callable[[Tensor], Tensor] = _ACTIVATIONS[self._structure.activation]
        return made(x)

    def _kept(self, name: str, share: float, x: Tensor) -> Tensor | float:
        """What dropout multiplies by: 0, or what makes up for what is dropped."""
        if not self._draws:
            return 1.0
        return (self._uniform(name, x) >= share).to(x.dtype) / (1 - share)

    def _uniform(self, name: str, x: Tensor) -> Tensor:
        """Numbers from 0 to 1 in the shape of x, drawn where x is."""
        seed, step, slot = self._draws or Draws(0, 0, 0)
        mixed = generator(seed, f"hypernetwork {name}", step, slot).initial_seed()
        source = torch.Generator(x.device).manual_seed(mixed)
        return torch.rand(x.shape, generator=source, device=x.device)


def in_turn(several: Sequence[Changes]) -> Changes:
    """Several at once: each changes what the one before it has made, as in A1111."""

    def changes(context: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = context, context
        for each in several:
            if isinstance(each, Applied):
                keys, values = each.changed(keys, values)
            else:
                keys, values = each(keys)[0], each(values)[1]
        return keys, values

    return changes if len(several) != 1 else several[0]


def _activations() -> Iterator[tuple[str, nn.Module]]:
    for name, kind in CLASSES.items():
        named = {"dim": 0} if name in ACROSS_THE_BATCH and name != "softmax2d" else {}
        yield name, getattr(nn, kind)(**named).eval().requires_grad_(False)


_ACTIVATIONS = dict(_activations())
"""Under A1111's names, at torch's defaults as there; none of them is ever trained."""
