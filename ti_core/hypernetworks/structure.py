"""How the modules of a hypernetwork are built, layer by layer (A1111's `HypernetworkModule`).

A module takes vectors of one width and gives vectors of that width. Between its first and its last
layer they are `layers[i]` times as wide. Behind each linear layer stand, in this order, what of
these is switched on: the activation function (behind the last layer only with `activate_output`),
a layer norm, and dropout. The pieces are numbered from 0, and tensors are named by the number of
their piece: `linear.0.weight`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError, setting
from .activations import IN_COMFYUI, KNOWN

Kind = Literal["linear", "activation", "norm", "dropout"]
WeightInit = Literal["Normal", "KaimingUniform", "KaimingNormal", "XavierUniform", "XavierNormal"]
"""How its weights begin, under A1111's names; here, where settings are read without torch."""
_MOST_LAYERS = 64
_WIDEST = 2**16
"""Of a layer; A1111's widest context has 2048, and structures of people go up to 4 times that."""
_DROPOUT_OF_OLD_FILES = 0.3


@dataclass(frozen=True)
class Piece:
    """One of a module's pieces, for a given width."""

    number: int
    kind: Kind
    wide_in: int
    wide_out: int
    share: float = 0.0
    """Of dropout: what part of the numbers is dropped."""


@dataclass(frozen=True)
class Structure:
    """What every module of a hypernetwork has in common.

    Raises ConfigError for what A1111 cannot build.
    """

    layers: tuple[float, ...] = (1, 2, 1)
    """How wide what goes in, comes out of each layer, and comes out, in widths of the context."""
    activation: str = "linear"
    """One of `activations.KNOWN`."""
    layer_norm: bool = False
    activate_output: bool = False
    """Whether the activation function is applied after the last layer as well."""
    dropout: tuple[float, ...] = ()
    """A share for each of `layers`, the first is not used; empty for no dropout."""

    def __post_init__(self) -> None:
        _check_layers(self.layers)
        if self.activation not in KNOWN:
            known = ", ".join(KNOWN)
            what = f"there is no activation function {self.activation!r:.100}"
            raise ConfigError(what, "", f"choose one of {known}")
        dropout = self.dropout if any(self.dropout) else ()
        _check_dropout(dropout, len(self.layers))
        object.__setattr__(self, "dropout", dropout)

    def pieces(self, width: int) -> Iterator[Piece]:
        """The pieces of a module for contexts of this width, in order."""
        number, last = 0, len(self.layers) - 2
        for i, (before, after) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            wide_in, wide_out = int(width * before), int(width * after)
            share = self.dropout[i + 1] if self.dropout else 0.0
            active = self.activation != "linear" and (i < last or self.activate_output)
            there: tuple[tuple[Kind, bool], ...] = (
                ("linear", True),
                ("activation", active),
                ("norm", self.layer_norm),
                ("dropout", share > 0),
            )
            for kind in (kind for kind, is_there in there if is_there):
                yield Piece(
                    number, kind, wide_in if kind == "linear" else wide_out, wide_out, share
                )
                number += 1

    def shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        """Name → shape of each tensor of a module, as `state_dict` of A1111's has them."""
        found: dict[str, tuple[int, ...]] = {}
        for piece in self.pieces(width):
            name = f"linear.{piece.number}"
            if piece.kind == "linear":
                found[f"{name}.weight"] = (piece.wide_out, piece.wide_in)
                found[f"{name}.bias"] = (piece.wide_out,)
            elif piece.kind == "norm":
                found |= {f"{name}.weight": (piece.wide_out,), f"{name}.bias": (piece.wide_out,)}
            elif piece.kind == "activation" and self.activation == "prelu":
                found[f"{name}.weight"] = (1,)
        return found

    def numbers(self, width: int) -> int:
        """How many a module for this width has."""
        return sum(map(math.prod, self.shapes(width).values()))

    def only_a1111(self) -> str:
        """Why ComfyUI cannot load such a file, or computes something else with it; "" for no
        reason. Its dropout, which would never be switched off, is not a reason: files are
        written so that ComfyUI builds none."""
        if self.activation not in IN_COMFYUI:
            return f"ComfyUI does not know the activation function {self.activation}"
        if self.layer_norm and self.activation != "linear" and not self.activate_output:
            what = "the activation function after the last layer as well"
            return f"with layer norm, ComfyUI applies {what}"
        return ""

    @property
    def spelled(self) -> str:
        """For people: "1, 2, 1 swish, layer norm"."""
        parts = [f"{', '.join(f'{each:g}' for each in self.layers)} {self.activation}"]
        parts += ["layer norm"] * self.layer_norm
        parts += ["activated output"] * (self.activate_output and self.activation != "linear")
        if self.dropout:
            parts.append("dropout " + ", ".join(f"{share:g}" for share in self.dropout))
        return ", ".join(parts)


def old_dropout(layers: Sequence[float], last_layer: bool) -> tuple[float, ...]:
    """What files meant that say only that there is dropout (A1111's `parse_dropout_structure`)."""
    inner = [_DROPOUT_OF_OLD_FILES] * (len(layers) - 3)
    last = _DROPOUT_OF_OLD_FILES if last_layer else 0.0
    return (0.0, *inner, last, 0.0)[: len(layers)]


def read_numbers(text: str, name: str) -> tuple[float, ...]:
    """Numbers between commas, as A1111's fields have them: "1, 2, 1". `name` is the setting."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        what, fix = f"{setting(name)} is {text!r:.100}", "write numbers, as in 1, 2, 1"
        raise ConfigError(what, "it is not a list of numbers", fix) from error


def _check_layers(layers: Sequence[float]) -> None:
    spelled = ", ".join(f"{each:g}" for each in layers[:_MOST_LAYERS])
    what, fix = f"the layer structure is {spelled}", "write one such as 1, 2, 1"
    if not 2 <= len(layers) <= _MOST_LAYERS:
        raise ConfigError(what, f"it has {len(layers)} numbers, not 2 to {_MOST_LAYERS}", fix)
    if layers[0] != 1 or layers[-1] != 1:
        raise ConfigError(what, "it must begin and end with 1", fix)
    if not all(0 < each <= _WIDEST for each in layers):  # NaN is not, either
        raise ConfigError(what, f"each number must be larger than 0 and at most {_WIDEST:g}", fix)


def _check_dropout(dropout: Sequence[float], layers: int) -> None:
    if not dropout:
        return
    spelled = ", ".join(f"{each:g}" for each in dropout[:_MOST_LAYERS])
    what, fix = f"the dropout structure is {spelled}", "write one such as 0, 0.1, 0"
    if len(dropout) != layers:
        why = f"it has {len(dropout)} numbers, and the layer structure has {layers}"
        raise ConfigError(what, why, fix)
    if not all(0 <= each < 1 for each in dropout):
        raise ConfigError(what, "each number must be at least 0 and less than 1", fix)


def check_width(structure: Structure, width: int) -> None:
    """Raise ConfigError for a module that is too wide or too narrow to be built."""
    sides = [int(width * each) for each in structure.layers]
    if not all(0 < side <= _WIDEST for side in sides):
        what = f"a module for the width {width} has layers {min(sides)} to {max(sides)} wide"
        raise ConfigError(what, f"1 to {_WIDEST} are possible", "change the layer structure")
