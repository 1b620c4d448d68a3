"""Randomness as a function of (seed, what for, step, item), drawn on the CPU.

No generator lives longer than one draw and the global one is never touched: a resumed run needs
no saved generator, previews cannot disturb training, and two hosts draw the same numbers.
"""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, purpose: str, *place: int) -> torch.Generator:
    """A fresh CPU generator for one purpose at one place, such as (step, item)."""
    text = ",".join((str(seed), purpose, *map(str, place)))
    mixed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    return torch.Generator("cpu").manual_seed(mixed & 0x7FFF_FFFF_FFFF_FFFF)
