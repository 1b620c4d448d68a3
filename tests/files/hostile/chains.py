"""Whole numbers that CPython's dictionaries must compare with each other, thousands of times each.

A key's place comes from its hash, which for small numbers is the number itself; where the place
is taken, the next one is tried, in an order that anybody can compute (`Objects/dictobject.c`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHIFT = 5


def on_one_chain(bits: int) -> list[int]:
    """Some 0.6 · 2^`bits` numbers: the first half lie on one chain of places, each of the others
    is led to the beginning of that chain and along it."""
    size = 1 << bits
    places = [0]
    while len(places) < size * 3 // 10:
        places.append((5 * places[-1] + 1) % size)
    position = np.full(size, -1)
    position[places] = np.arange(len(places))
    keys = np.arange(size, size << 6, dtype=np.int64)
    end, taken = _end(keys, position)
    order = np.argsort(position[end[taken]], kind="stable")
    return places + keys[taken][order][: len(places)].tolist()


def _end(
    keys: NDArray[np.int64], position: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where the search for each key's place joins the chain, and whether all before was taken."""
    place, rest = keys % len(position), keys.copy()
    taken = np.ones(len(keys), bool)
    while rest.any():
        taken &= position[place] >= 0
        rest >>= _SHIFT
        place = (place * 5 + rest + 1) % len(position)
    return place, taken & (position[place] >= 0)
