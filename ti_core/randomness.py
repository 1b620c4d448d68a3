"""Randomness as a function of (seed, what for, step, item), drawn on the CPU.

No generator lives longer than one draw and the global one is never touched: a resumed run needs
no saved generator, previews cannot disturb training, and two hosts draw the same numbers.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import torch


class Draws(NamedTuple):
    """Where the randomness of one pass of a training comes from."""

    seed: int
    step: int
    """Updates before this one."""
    slot: int
    """Number of the pass within the update."""


def generator(seed: int, purpose: str, *place: int) -> torch.Generator:
    """A fresh CPU generator for one purpose at one place, such as (step, item)."""
    text = ",".join((str(seed), purpose, *map(str, place)))
    mixed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    return torch.Generator("cpu").manual_seed(mixed & 0x7FFF_FFFF_FFFF_FFFF)
