"""Pickles and zips of torch that are broken, lie about their sizes, or grow without end."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable, Iterator

from .assembler import (
    NUMBERS,
    legacy,
    name,
    program,
    raw_zip,
    storage,
    table,
    tensor,
    torch_zip,
    value,
    zipped,
)
from .case import Case, broken, harmless, refused

_HONEST = torch_zip(table())
_MANY = 2_700_000
_TEXT = 33 * 2**20

BROKEN = {
    "nothing": b"",
    "no end": b"\x80\x02N",
    "only an end": b".",
    "nothing on the stack": b"\x80\x020.",
    "an unknown protocol": b"\x80\x63N.",
    "an unknown instruction": b"\x80\x02\xff.",
    "the extension registry": b"\x80\x02\x82\x01.",
    "an out-of-band buffer": b"\x80\x05\x97.",
    "no mark": b"\x80\x02t.",
    "no memo": b"\x80\x02h\x07.",
    "an odd dictionary": b"\x80\x02}(K\1u.",
    "an entry in a list": b"\x80\x02]K\1K\2s.",
    "an append to a dictionary": b"\x80\x02}K\1a.",
    "an item for no set": b"\x80\x02](K\1\x90.",
    "a call of a number": b"\x80\x02K\1)R.",
    "arguments that are a list": b"\x80\x02ctorch\nSize\n]R.",
    "a state for nothing": b"\x80\x02Nb.",
    "a text cut off": b"\x80\x02X\x09\0\0\0ab.",
    "a text of negative length": b"\x80\x02T\xff\xff\xff\xffab.",
    "a text that is not UTF-8": b"\x80\x02X\2\0\0\0\xff\xfe.",
    "a number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f1.",
    "a number of negative length": b"\x80\x02\x8b\xff\xff\xff\xff1.",
    "a number of 3000 digits": b"L" + b"9" * 3000 + b"L\n.",
    "a number of letters": b"Iabc\n.",
    "a line without end": b"L" + b"9" * 9000,
    "a text without quotes": b"Sabc\n.",
    "a name of numbers": b"\x80\x04K\1K\2\x93.",
    "a frame cut off": b"\x80\x04\x95\xff\xff",
    "no dictionary": b"\x80\x02K\1.",
    "a list in itself": b"\x80\x02]q\0h\0a.",
    "a dictionary in itself": b"\x80\x02}q\0X\1\0\0\0ah\0s.",
    "itself as parameters": b"\x80\x02}q\0X\x0f\0\0\0string_to_paramh\0s.",
    "a hundred thousand lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a hundred thousand tuples": b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "tuples as a key": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
}

LIES = {
    "more rows than the storage has": tensor((3, 8)),
    "a trillion rows": tensor((10**12, 8)),
    "more than 2^64 numbers": tensor((2**40, 2**40), (1, 1)),
    "rows of one number repeated": tensor((1000, 768), (0, 0)),
    "a huge stride": tensor((2, 8), (2**40, 1)),
    "a negative stride": tensor((2, 8), (-8, 1)),
    "a negative size": tensor((-2, 8)),
    "an offset behind the end": tensor((2, 8), (8, 1), 1),
    "a negative offset": tensor((2, 8), (8, 1), -1),
    "a fraction as size": tensor((2.0, 8)),
    "true as size": tensor((True, 8)),
    "a text as size": tensor("ab", "cd"),
    "seventeen dimensions": tensor((1,) * 17, (1,) * 17),
    "sizes without strides": tensor((2, 8), (8,)),
    "a storage of a gigabyte": tensor(numbers=storage("0", 2**28)),
    "a storage of 2^62": tensor(numbers=storage("0", 2**62)),
    "a view beyond": tensor(numbers=storage("0", 16, "FloatStorage", ("v", 8, 16))),
    "doubles in floats": tensor(numbers=storage("0", 16, "DoubleStorage")),
}

NO_STORAGES = {
    "a missing storage": storage("7"),
    "a storage outside of the folder": storage("../../etc/passwd"),
    "an absolute storage": storage("/etc/passwd"),
    "a negative storage": storage("0", -16),
    "a storage of an unknown type": storage("0", 16, "QInt8Storage"),
    "a number as key": storage(0),
    "another persistent thing": value(("file", "/etc/passwd")) + b"Q",
    "a text as persistent thing": value("/etc/passwd") + b"Q",
}

HUGE_TEXTS = {
    "a text of 2 GB": b"\x80\x02X\xff\xff\xff\x7fab.",
    "a text of 2^63 bytes": b"\x80\x02\x8d" + b"\xff" * 7 + b"\x7fab.",
}
BOMBS = {
    "lists": b"]" * _MANY,
    "dictionaries": b"}" * _MANY,
    "sets": b"\x8f" * _MANY,
    "lists of one": b"]Na" * _MANY,
    "names": b"ca\nb\n" * 600_000,
    "calls": b"ccollections\nOrderedDict\nq\0)q\1" + b"h\0h\1R" * 400_000,
    "tensors": tensor()
    + name("torch._utils", "_rebuild_tensor_v2")
    + b"q\0" * 1
    + value((storage(), 0, (2,), (1,), False))
    + b"q\1"
    + b"h\0h\1R" * 400_000,
}

LIES_OF_ZIPS = (
    ("an absurd table of contents", "end", 12),
    ("a table behind its end", "end", 16),
    ("a member of 2 GB", "entry", 24),
    ("a packed size of 2 GB", "entry", 20),
    ("a member behind its end", "entry", 42),
)

VECTORS = {
    "76 vectors": (76, 4),
    "128 vectors": (128, 4),
    "1024 vectors": (1024, 2),
    "vectors of width 1": (4, 1),
    "vectors of width 5": (3, 5),
    "vectors of width 769": (2, 769),
    "vectors of width 4096": (1, 4096),
}
NO_VECTORS = {"no vectors": (0, 768), "vectors of width 0": (4, 0), "1025 vectors": (1025, 2)}
NOT_FINITE = (math.nan, math.inf, -math.inf)


def cases() -> Iterator[Case]:
    """Instructions, sizes, vectors, containers, and bombs."""
    for what, code in BROKEN.items():
        yield broken(f"pickle with {what}.pt", raw_zip(code), "")
    for what, code in LIES.items():
        yield refused(f"tensor with {what}.pt", torch_zip(table(code)), "")
    for what, code in NO_STORAGES.items():
        yield broken(f"tensor of {what}.pt", torch_zip(table(tensor(numbers=code))), "")
    for what, code in HUGE_TEXTS.items():
        yield refused(f"pickle with {what}.pt", raw_zip(code), "more memory")
    for what, code in BOMBS.items():
        content = _maker(code)
        yield refused(f"bomb of {what}.pt", content, "more memory")
    yield from _vectors()
    yield from _legacy()
    yield from _zips()
    yield from _cut()


def _maker(code: bytes) -> Callable[[], bytes]:
    return lambda: torch_zip(code)


def _vectors() -> Iterator[Case]:
    for what, (count, width) in VECTORS.items():
        yield harmless(f"{what}.pt", _table_of(count, width), f"emb_params {count}×{width}")
    for what, (count, width) in NO_VECTORS.items():
        yield broken(f"{what}.pt", _table_of(count, width), f"{count} vectors of width {width}")
    for number in NOT_FINITE:
        numbers = NUMBERS[:-4] + struct.pack("<f", number)
        yield broken(f"a number that is {number}.pt", torch_zip(table(), numbers), "not finite")
    doubles = torch_zip(table(tensor(numbers=storage("0", 16, "DoubleStorage"))), b"\x7f" * 128)
    yield broken("numbers too large for fp32.pt", doubles, "not finite")
    for kind, width in (("LongStorage", 8), ("BoolStorage", 1), ("ComplexFloatStorage", 8)):
        code = table(tensor(numbers=storage("0", 16, kind)))
        yield broken(f"vectors in a {kind}.pt", torch_zip(code, bytes(16 * width)), "")
    for size, stride in (((), ()), ((1, 2, 8), (16, 8, 1))):
        code = torch_zip(table(tensor(size, stride)))
        yield broken(f"a tensor of {len(size)} dimensions.pt", code, "table of numbers")


def _table_of(count: int, width: int) -> bytes:
    numbers = struct.pack("<f", 0.5) * (count * width)
    rows = tensor((count, width), (width, 1), 0, storage("0", count * width))
    return torch_zip(table(rows), numbers)


def _legacy() -> Iterator[Case]:
    yield harmless("legacy.pt", legacy(table()))
    yield broken("legacy with other keys.pt", legacy(table(), ("1",)), "list of storages")
    yield broken("legacy with keys twice.pt", legacy(table(), ("0", "0")), "")
    yield broken("legacy without numbers.pt", legacy(table(), numbers=b""), "")
    for count in (65, 0, 2**63):
        numbers = struct.pack("<Q", count) + NUMBERS
        yield broken(f"legacy with {count} numbers.pt", legacy(table(), numbers=numbers), "not fit")
    claim = table(tensor(numbers=storage("0", 2**30)))
    yield refused("legacy with a storage of 4 GB.pt", legacy(claim), "more bytes")
    yield broken("legacy of another magic.pt", program(b"K\1") * 5, "other pickle")


def _zips() -> Iterator[Case]:
    members = {"archive/data.pkl": program(table()), "archive/data/0": NUMBERS}
    packed = zipped(members, compression=zipfile.ZIP_DEFLATED)
    yield refused("a packed zip.pt", packed, "compressed")
    bomb = {"archive/data.pkl": program(table()), "archive/data/0": bytes(2**24)}
    yield refused("a zip bomb.pt", lambda: zipped(bomb, compression=8), "compressed")
    doubled = _HONEST.replace(b"archive/version", b"archive/data/0\0")
    yield harmless("a name with a zero byte.pt", doubled)
    yield broken("a zip without a pickle.pt", zipped({"x": b"y"}), "another zip")
    script = torch_zip(table(), **{"constants.pkl": program(b")")})
    yield broken("a TorchScript program.pt", script, "TorchScript")
    yield broken("an unknown byte order.pt", torch_zip(table(), byteorder=b"middle"), "byte order")
    large = raw_zip(b"X" + struct.pack("<I", _TEXT) + bytes(_TEXT) + b".")
    yield refused("a pickle of 33 MB.pt", large, "too large")
    for what, place, field in LIES_OF_ZIPS:
        start = _HONEST.rfind(b"PK\x05\x06") if place == "end" else _HONEST.find(b"PK\x01\x02")
        at = start + field
        content = _HONEST[:at] + b"\xf0\xff\xff\x7f" + _HONEST[at + 4 :]
        yield refused(f"a zip with {what}.pt", content, "")
    for what, old, new in (("encrypted", b"\0\0\0\0", b"\1\0\0\0"),):
        at = _HONEST.find(b"PK\x01\x02") + 8
        content = _HONEST[:at] + new + _HONEST[at + len(old) :]
        yield refused(f"an {what} zip.pt", content, "compressed")
    path = {"../../canary": b"x", "/canary": b"y", **members}
    yield harmless("a zip of paths upwards.pt", zipped(path))


def _cut() -> Iterator[Case]:
    for share in range(1, 20):
        end = len(_HONEST) * share // 20
        yield broken(f"cut off at {5 * share} percent.pt", _HONEST[:end], "")
        whole = legacy(table())
        yield broken(f"legacy cut at {5 * share}.bin", whole[: len(whole) * share // 20], "")
