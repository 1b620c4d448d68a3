"""How the tensors of a new hypernetwork begin (A1111's weight initializations)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ..randomness import generator
from .hypernetwork import prefixes
from .structure import Piece, Structure, WeightInit

_DEVIATION = 0.01
_PRELU = 0.25
_LEAK = 0.01
"""Slope that torch assumes for leakyrelu when it computes the gain of Kaiming's weights."""


def beginning(
    structure: Structure, widths: Iterable[int], init: WeightInit, seed: int
) -> dict[str, Tensor]:
    """The tensors of a new hypernetwork, fp32 on the CPU; a function of the arguments.

    Biases are 0. The weights of linear layers follow `init`: N(0, 0.01), or Xavier's (Glorot &
    Bengio 2010) or Kaiming's (He et al. 2015) as torch has them. Those of layer norms are
    N(0, 0.01) always, as in A1111.
    """
    tensors: dict[str, Tensor] = {}
    for width in widths:
        for prefix in prefixes(width):
            for piece in structure.pieces(width):
                name = f"{prefix}.linear.{piece.number}"
                tensors |= _tensors(name, piece, structure, init, seed)
    return tensors


def _tensors(
    name: str, piece: Piece, structure: Structure, init: WeightInit, seed: int
) -> dict[str, Tensor]:
    if piece.kind == "activation" and structure.activation == "prelu":
        return {f"{name}.weight": torch.full((1,), _PRELU)}
    if piece.kind not in ("linear", "norm"):
        return {}
    source = generator(seed, f"hypernetwork {name}")
    if piece.kind == "norm":
        weight = torch.randn(piece.wide_out, generator=source) * _DEVIATION
    else:
        weight = _weight(piece, init, structure.activation, source)
    return {f"{name}.weight": weight, f"{name}.bias": torch.zeros(piece.wide_out)}


def _weight(piece: Piece, init: WeightInit, activation: str, source: torch.Generator) -> Tensor:
    """(wide_out, wide_in)"""
    deviation = _deviation(piece, init, activation)
    shape = piece.wide_out, piece.wide_in
    if init.endswith("Uniform"):
        bound = math.sqrt(3.0) * deviation
        return (torch.rand(shape, generator=source) * 2 - 1) * bound
    return torch.randn(shape, generator=source) * deviation


def _deviation(piece: Piece, init: WeightInit, activation: str) -> float:
    if init == "Normal":
        return _DEVIATION
    if init.startswith("Xavier"):
        return math.sqrt(2 / (piece.wide_in + piece.wide_out))
    leak = _LEAK if activation == "leakyrelu" else 0.0
    return math.sqrt(2 / (1 + leak**2) / piece.wide_in)
