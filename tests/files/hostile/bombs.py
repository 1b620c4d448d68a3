"""Small files whose pickles would take gigabytes or hours if anything in them were for nothing.

Each notes something large once and then has it copied, compared, joined or counted many times.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from .assembler import call, name, storage, tensor, torch_zip, value
from .case import Case, broken, harmless, refused
from .chains import on_one_chain

_TIMES = 60_000
_LONG = 2_000_000
_ONE_HASH = 2**61 - 1
"""Whole numbers have the hash of their rest by it."""


def _noted(item: Any, number: int = 0) -> bytes:
    return value(item) + b"q" + bytes([number]) + b"0"


def _again(code: bytes) -> bytes:
    """The same many times, and everything that comes of it is kept."""
    return b"(" + code * _TIMES + b"t"


def _called(module: str, attribute: str, arguments: bytes) -> bytes:
    """A call, again and again, with arguments that were noted."""
    return _noted(name(module, attribute), 9) + _again(b"h\x09" + arguments + b"R")


_MANY = b"(" + b"K\1" * 300_000 + b"t"
_TEXT = "<" * _LONG
_BYTES = b"B" + struct.pack("<I", _LONG) + bytes(_LONG)
_F4 = call("numpy", "dtype", "f4")
_ARRAY = call("numpy.core.multiarray", "_reconstruct")
_DTYPE_OF = ("numpy.core.multiarray", "scalar")
_NUMBERS = "_rebuild_device_tensor_from_numpy"

REFUSED: dict[str, Callable[[], bytes]] = {
    "types with a long name": lambda: _noted(_TEXT) + _called("numpy", "dtype", b"h\0\x85"),
    "numbers of many bytes": lambda: (
        _noted(_BYTES) + _noted(_F4, 1) + _called(*_DTYPE_OF, b"h\1h\0\x86")
    ),
    "unknown calls of many": lambda: _noted(_MANY) + _called("x", "y", b"h\0"),
    "devices of many": lambda: _noted(_MANY) + _called("torch", "device", b"h\0"),
    "parameters of many": lambda: (
        _noted(_MANY) + _called("torch.nn.parameter", "Parameter", b"h\0")
    ),
    "texts encoded": lambda: _noted(_TEXT) + _called("_codecs", "encode", b"h\0\x85"),
    "states of many": lambda: _noted(_MANY) + _F4 + b"h\0b" * 400_000,
    "shapes of many": lambda: (
        _noted(_MANY) + _noted(_F4, 1) + _ARRAY + b"(K\1h\0h\1\x89C\0tb" * 100_000
    ),
    "arrays of many bytes": lambda: (
        _noted(_BYTES)
        + _noted(_F4, 1)
        + _again(_ARRAY + b"(K\1" + value((_LONG // 4,)) + b"h\1\x89h\0tb")
    ),
    "arrays made complex": lambda: (
        _noted(_BYTES)
        + _noted(_ARRAY + value((1, (_LONG // 4,), _F4, False, b"h\0")) + b"b", 1)
        + _noted(name("torch", "complex128"), 2)
        + _called("torch._utils", _NUMBERS, b"(h\1h\2NNt")
    ),
    "lists of many": lambda: _noted(_MANY) + _called("builtins", "list", b"h\0\x85"),
    "sets of many": lambda: _noted(_MANY) + _called("builtins", "set", b"h\0\x85"),
    "values noted by one hash": lambda: (
        b"N" + b"".join(b"p%d\n" % (n * _ONE_HASH) for n in range(1, 200_000))
    ),
    "a value noted far away": lambda: b"Nr" + struct.pack("<I", 2**32 - 1),
    "keys on one chain": lambda: (
        b"}(" + b"".join(value(key) + b"N" for key in on_one_chain(16)) + b"u"
    ),
    "copies of a chain": lambda: (
        b"(" + b"".join(map(value, on_one_chain(12))) + b"t" + b"q\0"
        + _called("builtins", "frozenset", b"h\0\x85")
    ),
    "texts of wide letters": lambda: (
        value("a" * _LONG + "\U0001f600") * 12
    ),
    "ids of a missing budget": lambda: _noted(("module", b"N", "", "")) + _again(b"h\0Q"),
    "calls with names": lambda: _noted(_MANY) + _noted(name("x", "y"), 1) + _again(b"h\1h\0}\x92"),
    "equal long keys": lambda: (
        _noted(_TEXT) + _noted(_TEXT, 1) + b"}" + b"h\0Ns" + b"h\1Ns" * 100_000
    ),
    "old calls": lambda: _noted(name("x", "y"), 1) + (b"(h\1" + b"N" * 300 + b"o0") * 9_000,
    "lines of names": lambda: (b"c" + b"a" * 200 + b"\n" + b"." * 50 + b"\n0") * 40_000,
}  # fmt: skip
"""What pays until nothing is left."""


_ROWS_OF_NOTHING = tensor((2**30, 0), (0, 0))
_MANY_ROWS = tensor((_LONG, 1), (1, 1), 0, storage("0", _LONG, "ByteStorage"))

NOT_SANE: dict[str, Callable[[], bytes]] = {
    "a size of many": lambda: _noted(_MANY) + _called("torch", "Size", b"h\0\x85"),
    "a size of seventeen": lambda: call("torch", "Size", (1,) * 17),
    "a size of texts": lambda: call("torch", "Size", ("a",)),
}

BROKEN: dict[str, Callable[[], bytes]] = {
    "names from long texts": lambda: _noted(_TEXT) + _again(b"h\0h\0\x93"),
    "names of dots": lambda: _noted("." * _LONG) + _again(b"h\0h\0\x93"),
    "ids of many": lambda: _noted(_MANY) + _again(b"h\0Q"),
    "a storage of many": lambda: _noted(
        b"(" + value("storage") + name("torch", "FloatStorage") + value("0") + b"NK\1"
        + b"N" * 300_000 + b"t"
    ) + _again(b"h\0Q"),
    "a storage with a long name": lambda: _noted(storage("0" * _LONG)) + b"N",
    "a dictionary of rows of nothing": lambda: call("builtins", "dict", [_ROWS_OF_NOTHING]),
    "a dictionary of many rows": lambda: call("builtins", "dict", [_MANY_ROWS]),
    "a dictionary of endless lists": lambda: call("builtins", "dict", [[["a"] * 9] * 9]),
    "huge numbers multiplied": lambda: (
        b"\x8b" + struct.pack("<i", 1024) + b"\x7f" * 1024 + b"q\0"
        + _ARRAY + b"(K\1(" + b"h\0" * 200_000 + b"t" + _F4 + b"\x89C\0tb"
    ),
    "a value noted below nothing": lambda: b"Np-1\n",
    "a value of a negative number": lambda: b"Nq\0g-1\n",
    "scalars for two encoders": lambda: value(
        [{"a": tensor((), ())}, {"b": tensor((), ())}]
    ),
    "pairs of names stacked": lambda: _noted(
        tensor((1, _LONG // 2), (1, 1), 0, storage("0", _LONG // 2, "HalfStorage"))
    ) + b"}(" + b"".join(
        value(f"a{n}{end}") + b"h\0" for n in range(1000) for end in ("", "_1")
    ) + b"u",
}  # fmt: skip
"""What is refused for another reason, or comes to nothing, soon."""


def cases() -> Iterator[Case]:
    """All of them."""
    for what, code in REFUSED.items():
        yield refused(f"endless {what}.pt", _file(code), "more memory")
    for what, code in NOT_SANE.items():
        yield refused(f"soon, {what}.pt", _file(code), "sane")
    yield harmless(
        "names that no pattern tells.pt", _file(_long_names), "emb_params 2×8, emb_params"
    )
    for what, code in BROKEN.items():
        yield broken(f"soon, {what}.pt", _file(code), "")


def _long_names() -> bytes:
    """A pattern that looks for the end of a line would look back from every point of a name."""
    names = (f"bundle_emb.{'a.string_to_param.' * 220}{n}\n.x" for n in range(40))
    return _noted(tensor()) + b"}(" + b"".join(value(each) + b"h\0" for each in names) + b"u"


def _file(code: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: torch_zip(code(), bytes(_LONG))
