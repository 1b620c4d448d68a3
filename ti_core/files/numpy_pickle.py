"""What numpy puts into a pickle: single numbers, and the arrays in which torch saved the tensors
of Apple's and other devices without storages (torch 1.12 to 2.5)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .pickle_reader import BrokenPickleError

_MOST_DIMENSIONS = 16
_LONGEST_CODE = 16
_MOST_BYTES_IN_A_NUMBER = 16
_TYPES = {
    "f8": torch.float64,
    "f4": torch.float32,
    "f2": torch.float16,
    "i8": torch.int64,
    "i4": torch.int32,
    "i2": torch.int16,
    "i1": torch.int8,
    "u1": torch.uint8,
    "b1": torch.bool,
}


class NumpyType:
    """numpy's description of a number, such as "f8" or "<f8"."""

    def __init__(self, code: object = "", *rest: object) -> None:
        text = code if isinstance(code, str) and len(code) <= _LONGEST_CODE else ""
        self._code, self._big = text.lstrip("<>|="), text.startswith(">")

    def set_state(self, state: tuple[Any, ...]) -> None:
        """numpy keeps the byte order in the second place of the state."""
        self._big = state[1] == ">"

    def tensor(self, content: object) -> Tensor:
        """Bytes (as text in the pickles of Python 2) → a flat tensor; an empty one of objects,
        texts and other things that torch does not have.

        Raises BrokenPickleError for parts of numbers.
        """
        dtype = _TYPES.get(self._code)
        if isinstance(content, str):
            content = content.encode("latin1")
        if dtype is None or not isinstance(content, bytes) or not content:
            return torch.empty(0, dtype=dtype)
        if len(content) % dtype.itemsize:
            raise BrokenPickleError("an array of numpy ends within a number")
        flat = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return (swapped(flat, dtype.itemsize) if self._big else flat).view(dtype)


class NumpyArray:
    """An array that receives its contents after it was built."""

    def __init__(self, *kind: object) -> None:
        self.tensor = torch.empty(0)

    def set_state(self, state: tuple[Any, ...]) -> None:
        """(version, shape, type, whether the first index runs fastest, bytes)"""
        _, shape, kind, fortran, content = state
        if isinstance(shape, tuple) and len(shape) > _MOST_DIMENSIONS:
            return
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise BrokenPickleError("an array of numpy has an invalid shape")
        flat = kind.tensor(content) if isinstance(kind, NumpyType) else self.tensor
        if math.prod(shape) == len(flat):
            turned = flat.reshape(shape[::-1]).permute(tuple(range(len(shape)))[::-1])
            self.tensor = turned if fortran else flat.reshape(shape)


def number(kind: object, content: object = b"") -> object:
    """A single number; None for what is none."""
    if not isinstance(content, (bytes, str)) or len(content) > _MOST_BYTES_IN_A_NUMBER:
        return None
    flat = kind.tensor(content) if isinstance(kind, NumpyType) else torch.empty(0)
    return flat.item() if len(flat) == 1 else None


def swapped(flat: Tensor, width: int) -> Tensor:
    """Bytes (flat, uint8) with every run of `width` turned round: big-endian ↔ little-endian."""
    return flat.reshape(-1, width).flip(1).reshape(-1)
