"""The largest things that can lie on the stack of a pickle, and what they are given to."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import torch

from ti_core.files.numpy_pickle import NumpyArray, NumpyType
from ti_core.files.pickle_machine import Inert
from ti_core.files.restricted_unpickler import RestrictedUnpickler

from .chains import on_one_chain

PLENTY = 2**40


class _Storages:
    """One storage, of 8 MB under every key; the file limits what it takes, not the budget."""

    swaps = False

    def __init__(self) -> None:
        self._content = torch.zeros(2**23, dtype=torch.uint8).untyped_storage()

    def size(self, key: str, claimed: int) -> int:
        """Of every key."""
        return self._content.nbytes()

    def part(self, key: str, start: int, length: int, width: int) -> torch.UntypedStorage:
        """A view."""
        return self._content[start : start + length]


STORAGES = _Storages()


def machine(budget: int, operand: bytes = b"") -> RestrictedUnpickler:
    """One whose file goes on with `operand`."""
    return RestrictedUnpickler(io.BytesIO(operand), STORAGES, Path("x.pt"), budget)


def values(long: int, many: int) -> dict[str, Any]:
    """One of everything: texts of `long` bytes, containers of `many` values."""
    return {**_texts(long), **_containers(long, many), **_objects(long)}


def _texts(long: int) -> dict[str, Any]:
    return {
        "nothing": None, "a number": 1, "a fraction": 0.5, "nan": float("nan"), "a name": "torch",
        "a huge number": 2**8191, "a negative number": -(2**8191), "2⁶³": 2**63, "a byte": b"\0",
        "a long text": "<" * long, "a text of wide letters": "a" * long + "\U0001f600",
        "long bytes": bytes(long), "a long bytearray": bytearray(long),
    }  # fmt: skip


def _containers(long: int, many: int) -> dict[str, Any]:
    few, chosen = min(many, 20_000), on_one_chain(13)
    return {
        "a long tuple": (1,) * many, "a tuple of huge numbers": (2**8191,) * many,
        "a tuple of long texts": ("<" * long,) * many, "a long list": [None] * many,
        "a list of pairs": [("a", None)] * many, "a list of lists": [[()]] * many,
        "a list of long pairs": [("<" * long + str(n), None) for n in range(2)] * 9,
        "pairs of chosen numbers": [(n, None) for n in chosen], "chosen numbers": chosen,
        "a set": set(range(few)), "a frozenset": frozenset(map(str, range(few))),
        "a dictionary": dict.fromkeys(map(str, range(few))), "a nest": _nest(few),
        "an endless list": _endless(),
    }  # fmt: skip


def _nest(depth: int) -> tuple[Any, ...]:
    inner: tuple[Any, ...] = ()
    for _ in range(depth):
        inner = (inner,)
    return inner


def _endless() -> list[Any]:
    """Its text has 2⁶⁰ letters."""
    inner: list[Any] = []
    for _ in range(60):
        inner = [inner, inner]
    return inner


def _objects(long: int) -> dict[str, Any]:
    rich = machine(PLENTY)
    pid = ("storage", rich.find_class("torch", "ByteStorage"), "0", "cpu", 2**23)
    storage, tensor = rich.persistent_load(pid), rich._known["torch._utils._rebuild_tensor"].build
    array, rows = NumpyArray(), min(long, 2**23)
    array.set_state((1, (long,), NumpyType("u1"), False, bytes(long)))
    return {
        "something unknown": Inert(), "a type": NumpyType("f8"), "an array": array,
        "a function": rich.find_class("collections", "OrderedDict"),
        "an unknown function": rich.find_class("x", "y"), "a dtype": torch.complex128,
        "a type of storages": pid[1], "a storage": storage, "an id": pid,
        "a tensor": tensor(storage, 0, (rows,), (1,)),
        "many rows": tensor(storage, 0, (rows, 1), (1, 1)),
        "rows of nothing": tensor(storage, 0, (2**40, 0), (0, 0)),
    }  # fmt: skip


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "_rebuild_tensor": ("a storage", 0, (2, 3), (3, 1)),
    "_rebuild_tensor_v2": ("a storage", 0, (2, 3), (3, 1), False, None),
    "_rebuild_tensor_v3": ("a storage", 0, (2, 3), (3, 1), False, None, torch.float32),
    "_rebuild_device_tensor_from_numpy": ("an array", torch.float64, "cpu", False),
    "_rebuild_xla_tensor": ("an array", torch.float64, "cpu", False),
    "_rebuild_from_type_v2": ("a function", None, (), None),
    "_reconstructor": ("a function", None, None),
    "scalar": ("a type", bytes(8)),
    "encode": ("text", "latin1"),
    "dtype": ("f8", False, True),
    "Size": ((2, 3),),
}
"""Sound ones, for what builds nothing out of others; the name of a value stands for it."""

OPERANDS = (
    b"",
    b"\xff" * 9 + b"\n",
    b"\0" * 9 + b"\n",
    b"\1\0\0\0\0\0\0\0\n",
    b"\x7f" * 1100,
    b"\xff" + b"9" * 300,
    struct.pack("<I", 2**22) + bytes(2**22),
    struct.pack("<I", 2**22) + b"a" * (2**22 - 4) + "\U0001f600".encode(),
    struct.pack("<Q", 2**22) + bytes(2**22),
    struct.pack("<i", 1024) + b"\x7f" * 1024,
    struct.pack("<I", 2**31 - 1),
    struct.pack("<I", 2_000_000),
    struct.pack("<Q", 2**62),
    b"9" * 4090 + b"\n" + b"9" * 4090 + b"\n",
    b"1000000\n" * 2,
    b"0\n0\n" + bytes(9),
    b"'" + b"\\" * 4000 + b"'\n",
    b"'" + b"a" * 4000 + b"'\n",
    b"\\U0001f600" * 400 + b"\n",
    b"." * 200 + b"\n" + b"." * 50 + b"\n",
    b"1e" + b"9" * 4000 + b"\n",
)
"""What may follow an instruction in the file."""


def keys() -> dict[str, list[Any]]:
    """Many values to be keys, or keys and values in turn."""
    chosen = on_one_chain(13)
    return {
        "chosen numbers": [key for key in chosen for _ in (0, 1)],
        "chosen fractions": [float(key) for key in chosen for _ in (0, 1)],
        "different texts": [f"{n}" for n in range(20_000)],
        "different long texts": ["a" * 4000 + f"{n}" for n in range(2000)],
        "equal long texts": ["".join(["a"] * 4000) for _ in range(2000)],
        "equal longest texts": ["".join(["a"] * 2**22) for _ in range(2)] * 100,
        "unknown things": [Inert() for _ in range(20_000)],
        "fractions": [n + 0.5 for n in range(20_000)],
    }
