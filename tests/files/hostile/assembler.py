"""Pickles written instruction by instruction, and the two containers in which torch keeps them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Any

NUMBERS = struct.pack("<16f", *range(1, 17))
"""The storage of a table of 2 × 8."""
_LEGACY_START = (
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",  # the magic number
    b"\x80\x02M\xe9\x03.",  # 1001, the protocol
    b"\x80\x02}.",  # the system
)


def value(item: Any) -> bytes:
    """Instructions that leave a plain value on the stack; bytes are instructions already."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, tuple):
        return b"(" + b"".join(map(value, item)) + b"t"
    if isinstance(item, list):
        return b"](" + b"".join(map(value, item)) + b"e"
    if isinstance(item, dict):
        return b"}(" + b"".join(value(k) + value(v) for k, v in item.items()) + b"u"
    if isinstance(item, str):
        text = item.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    return pickle.dumps(item, 2)[2:-1]


def name(module: str, attribute: str) -> bytes:
    """What GLOBAL imports."""
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments: Any) -> bytes:
    """GLOBAL and REDUCE, as `__reduce__` has them written."""
    return name(module, attribute) + value(arguments) + b"R"


def storage(key: Any = "0", count: Any = 16, kind: str = "FloatStorage", *view: Any) -> bytes:
    """A persistent id."""
    return value(("storage", name("torch", kind), key, "cpu", count, *view)) + b"Q"


def tensor(size: Any = (2, 8), stride: Any = (8, 1), offset: Any = 0, numbers: Any = None) -> bytes:
    """A table over a storage, by default the one of `NUMBERS`."""
    start = storage() if numbers is None else value(numbers)
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", start, offset, size, stride, False, hooks)


def table(rows: bytes | None = None, **more: Any) -> bytes:
    """kohya's dictionary, with more in it."""
    return value({"emb_params": tensor() if rows is None else rows, **more})


def program(code: bytes, protocol: int = 2) -> bytes:
    """A whole pickle."""
    return b"\x80" + bytes([protocol]) + code + b"."


def zipped(members: dict[str, bytes], **options: Any) -> bytes:
    """A zip of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content, options.get("compression", 0))
    return out.getvalue()


def torch_zip(code: bytes, *storages: bytes, **more: bytes) -> bytes:
    """A file of torch ≥ 1.6: a pickle of protocol 2, and storages; the first is of `NUMBERS`."""
    return raw_zip(program(code), *storages, **more)


def raw_zip(pickled: bytes, *storages: bytes, **more: bytes) -> bytes:
    """The same around a pickle as it is."""
    parts = {f"data/{key}": numbers for key, numbers in enumerate(storages or (NUMBERS,))}
    members = {"data.pkl": pickled, **parts, "version": b"3\n", **more}
    return zipped({f"archive/{member}": content for member, content in members.items()})


def legacy(code: bytes, keys: Any = ("0",), numbers: bytes | None = None) -> bytes:
    """A file of torch < 1.6; `numbers` are what follows the pickles."""
    data = struct.pack("<Q", 16) + NUMBERS if numbers is None else numbers
    return b"".join(_LEGACY_START) + program(code) + program(value(list(keys))) + data


def legacy_with(code: bytes, place: int) -> bytes:
    """A legacy file whose pickle number `place` (0 to 4) is this one."""
    pickles = [*_LEGACY_START, program(table()), program(value(["0"]))]
    pickles[place] = program(code)
    return b"".join(pickles) + struct.pack("<Q", 16) + NUMBERS
