"""A hypernetwork: for each width of an attention's context a module for keys, one for values.

Its tensors are in one dictionary, under the names `<width>.<k or v>.linear.<piece>.<weight or
bias>`. They are what A1111 keeps in `{width: (k.state_dict(), v.state_dict())}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..families import FAMILIES
from .structure import Structure

if TYPE_CHECKING:
    from torch import Tensor

SIDES = ("k", "v")
"""Modules of a width: for what keys are made from, and for what values are."""


@dataclass(frozen=True)
class Hypernetwork:
    """One under a name."""

    name: str
    structure: Structure
    tensors: dict[str, Tensor]
    """All that `names` gives → fp32 on the CPU."""
    step: int = 0
    """Optimizer updates over its life."""
    weight_init: str = "Normal"
    """How its tensors began; A1111 notes it."""
    base_model: str = ""
    base_hash: str = ""
    """The checkpoint that it was trained on, and the first 10 digits of its SHA-256."""
    optional_info: str = ""
    """A text that A1111 keeps and shows."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Further notes, of ours."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the contexts that it changes, ascending."""
        return widths_of(self.tensors)

    @property
    def numbers(self) -> int:
        """How many it has."""
        return sum(tensor.numel() for tensor in self.tensors.values())


def shapes(structure: Structure, widths: Iterable[int]) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor, module by module."""
    return {
        f"{prefix}.{name}": shape
        for width in widths
        for prefix in prefixes(width)
        for name, shape in structure.shapes(width).items()
    }


def widths_of(names: Iterable[str]) -> tuple[int, ...]:
    """The widths that tensors of these names are for, ascending."""
    return tuple(sorted({width_of(name) for name in names}))


def width_of(name: str) -> int:
    """The width that the tensor of this name is for."""
    return int(name.partition(".")[0])


def prefixes(width: int) -> Iterator[str]:
    """What the names of a width's two modules begin with."""
    return (f"{width}.{side}" for side in SIDES)


def models_of(widths: Iterable[int]) -> str:
    """The families whose prompts a hypernetwork of these widths changes, for people: "SD 1.x"."""
    labels = [each.label for each in FAMILIES.values() if each.context in set(widths)]
    return ", ".join(labels) or "unknown"
