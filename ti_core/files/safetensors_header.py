"""The JSON header of a safetensors file, read without trust.

What the reference implementation (the package safetensors) refuses is refused here, too: tensors
that overlap, gaps between them, bytes behind the last one, fields that stand twice, numbers and
texts that only Python's JSON takes. Stricter are the limits: those on the header's size, on what
is in it, and on the dimensions of a tensor.
"""

from __future__ import annotations

import json
import math
from itertools import accumulate
from typing import Any

TensorEntry = dict[str, Any]
"""dtype, shape and data_offsets (bytes after the header) of a tensor."""
Header = dict[str, TensorEntry]
"""Tensor name → where it lies; and "__metadata__"."""
METADATA = "__metadata__"
_FIELDS = ("data_offsets", "dtype", "shape")
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
}
_MOST_TEXTS, _MOST_VALUES = 250_000, 600_000
"""Each is some hundred bytes in Python. 50,000 tensors have as many, SDXL has 2,500."""
_MOST_DIMENSIONS = 16
_DEEPEST = 127
"""As serde_json has it."""
_LARGEST = 2**63 - 1
_OTHERS = bytes(set(range(256)) - set(b"[{}]"))
_LONGEST_NUMBER = 20


class _Object(list[tuple[str, Any]]):
    """What is in braces; a name may stand there twice."""


def header_of(text: bytes, room: int) -> Header:
    """The header, whose tensors fill the `room` bytes that follow it.

    Raises ValueError, with the reason, when it is not what the format wants.
    """
    _require_few(text)
    found = json.loads(
        text.decode(),  # bytes could be UTF-32, too
        object_pairs_hook=_Object,
        parse_int=_whole,
        parse_float=_fraction,
        parse_constant=_fraction,
    )
    if not isinstance(found, _Object):
        raise ValueError("its header is not an object")
    header = {key: _entry(key, value) for key, value in found if key != METADATA}
    _require_whole(header, room)
    metadata = [value for key, value in found if key == METADATA]
    return {**header, METADATA: _texts(metadata)} if metadata else header


def _require_few(text: bytes) -> None:
    """Everything in the header takes many times its size when it is read, so it is counted before;
    metadata may be long: what is in its texts does not count."""
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    few = bare.count(b'"') <= 2 * _MOST_TEXTS
    outside = b"".join(bare.split(b'"')[::2]) if few else b""
    if not few or sum(map(outside.count, b",[{}]")) > _MOST_VALUES:
        raise ValueError("its header has more entries than any model needs")
    brackets = outside.translate(None, _OTHERS)
    if max(accumulate(1 if each in b"[{" else -1 for each in brackets), default=0) > _DEEPEST:
        raise ValueError("its header is nested too deeply")


def _whole(digits: str) -> float:
    """-0 is a fraction in the reference; a number that is not a size only has to be finite."""
    short = len(digits) <= _LONGEST_NUMBER and digits != "-0"
    return int(digits) if short else _fraction(digits)


def _fraction(text: str) -> float:
    if (number := float(text)) - number != 0:
        raise ValueError("a number in its header is not finite")
    return number


def _entry(key: str, value: object) -> TensorEntry:
    fields = [field for field in value if field[0] in _FIELDS] if isinstance(value, _Object) else []
    names, entry = sorted(name for name, _ in fields), dict(fields)
    if not _is_text(key) or tuple(names) != _FIELDS or not _is_sound(**entry):
        raise ValueError(f"tensor {key[:80]!r} is not described correctly")
    return entry


def _is_sound(data_offsets: object, dtype: object, shape: object) -> bool:
    known = isinstance(dtype, str) and dtype in _BITS
    pair = _are_sizes(data_offsets, 2) and len(data_offsets) == 2  # type: ignore[arg-type]
    return known and pair and _are_sizes(shape, _MOST_DIMENSIONS)


def _are_sizes(values: object, most: int) -> bool:
    if not isinstance(values, list) or isinstance(values, _Object) or len(values) > most:
        return False
    return all(type(n) is int and 0 <= n <= _LARGEST for n in values)


def _require_whole(header: Header, room: int) -> None:
    """Every byte belongs to exactly one tensor."""
    place = 0
    for key, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        if end > room or 8 * (end - begin) != _bits(entry):
            raise ValueError(f"tensor {key[:80]!r} does not fit into the file")
        if begin != place:
            lie = "overlaps another one" if begin < place else "does not follow the one before"
            raise ValueError(f"tensor {key[:80]!r} {lie}")
        place = end
    if place != room:
        raise ValueError(f"{room - place} bytes behind its tensors belong to none of them")


def _bits(entry: TensorEntry) -> int:
    """-1 where torch cannot count the steps between the numbers, even if there are none."""
    sizes = (*entry["shape"], _BITS[entry["dtype"]])
    possible = math.prod(max(n, 1) for n in sizes) <= _LARGEST
    return math.prod(sizes) if possible else -1


def _texts(metadata: list[Any]) -> dict[str, str]:
    """Metadata is a text for each name, or null."""
    pairs = metadata[0] if metadata[0] is not None else _Object()
    if len(metadata) > 1 or not isinstance(pairs, _Object):
        raise ValueError("its metadata is not an object")
    if not all(isinstance(v, str) and _is_text(k + v) for k, v in pairs):
        raise ValueError("its metadata is not text")
    return dict(pairs)


def _is_text(text: str) -> bool:
    """Whether all its letters are whole: JSON can express halves (lone surrogates)."""
    try:
        return bool(text.encode()) or not text
    except UnicodeEncodeError:
        return False
