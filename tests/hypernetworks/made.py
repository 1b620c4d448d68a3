"""Hypernetworks for tests, whose numbers are given by a formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ti_core.hypernetworks.hypernetwork import Hypernetwork, prefixes
from ti_core.hypernetworks.structure import Structure


def wave(shape: Sequence[int], start: float) -> Tensor:
    """sin(start), sin(start + 1.7), … in this shape."""
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float32) * 1.7 + start).reshape(*shape)


def tensors(structure: Structure, *widths: int) -> dict[str, Tensor]:
    """Tensor i of a module for keys starts at i, of one for values at i + 1."""
    return {
        f"{prefix}.{name}": wave(shape, i + number)
        for width in widths
        for number, prefix in enumerate(prefixes(width))
        for i, (name, shape) in enumerate(structure.shapes(width).items())
    }


def hypernetwork(name: str = "warm", *widths: int, **structure: Any) -> Hypernetwork:
    """One with everything that a file may say."""
    built = Structure(**structure)
    made = tensors(built, *(widths or (4, 6)))
    return Hypernetwork(name, built, made, 70, "XavierNormal", "model", "0123456789", "a note")
