"""Writes what `torch.save` writes (.pt, .bin), so that every program's reader accepts it.

torch itself adds members that A1111's reader takes for an attack (`byteorder` since 2.1 for the
A1111 of that time, `.format_version` in newer ones for every A1111). Here only the three kinds of
members stand that all of them know, and the pickle names only `_rebuild_tensor_v2`,
`FloatStorage` (or that of half numbers) and `OrderedDict`. No date and no memo of shared objects:
equal input gives equal bytes. What the dictionary has no key for (trigger, step, licence…) stands
in the comment of the zip, which no loader looks at.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import EmbeddingError

Value = Tensor | str | int | float | None | Sequence["Value"] | Mapping[Any, "Value"]
"""What can be written: tensors, texts, numbers, truth, nothing, and lists, tuples and dictionaries
of these. Keys are texts or whole numbers."""

_FOLDER = "archive"
"""torch's own name for it when it writes into memory; the file's name would make files differ."""
_ALIGNMENT = 64
_STORAGES = {torch.float16: "HalfStorage", torch.bfloat16: "BFloat16Storage"}
"""Other tensors become fp32."""
_LONGEST_COMMENT = 32_000
"""Bytes. A zip may have 65,535, but torch's reader then stumbles in small files."""


def to_bytes(data: Mapping[Any, Value], notes: Mapping[str, str] | None = None) -> bytes:
    """A torch file with this dictionary; tensors become fp32 unless they are half.

    `notes` go into the zip's comment, as JSON. Raises EmbeddingError when that is too long.
    """
    pickled = _Pickled(data)
    members = {"data.pkl": pickled.code()}
    members |= {f"data/{key}": numbers for key, numbers in enumerate(pickled.storages)}
    return _zipped(members | {"version": b"3\n"}, _comment(notes or {}))


def _comment(notes: Mapping[str, str]) -> bytes:
    text = json.dumps(dict(notes), sort_keys=True).encode() if notes else b""
    if len(text) > _LONGEST_COMMENT:
        raise EmbeddingError(
            "the metadata is too long for this format",
            f"it has {len(text)} bytes and there is room for {_LONGEST_COMMENT}",
            "write .safetensors",
        )
    return text


class _Pickled:
    """A pickle of protocol 2, with the numbers of its tensors beside it."""

    def __init__(self, data: Value) -> None:
        self.storages: list[bytes] = []
        self._code = self._value(data)

    def code(self) -> bytes:
        """The whole pickle."""
        return pickle.PROTO + b"\x02" + self._code + pickle.STOP

    def _value(self, value: Value) -> bytes:
        if isinstance(value, Tensor):
            half = value.dtype in _STORAGES
            return self._tensor((value if half else value.float()).detach().cpu().contiguous())
        if isinstance(value, Mapping):
            pairs = b"".join(self._value(key) + self._value(item) for key, item in value.items())
            return pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS
        if isinstance(value, (list, tuple)):
            return self._sequence(value)
        return _plain(value)

    def _sequence(self, values: Sequence[Value]) -> bytes:
        parts = b"".join(map(self._value, values))
        if isinstance(values, tuple):
            return _tuple(parts)
        return pickle.EMPTY_LIST + pickle.MARK + parts + pickle.APPENDS

    def _tensor(self, rows: Tensor) -> bytes:
        key = str(len(self.storages))
        half = rows.dtype in _STORAGES
        numbers = rows.view(torch.int16).numpy().astype("<i2") if half else rows.numpy()
        self.storages.append((numbers if half else numbers.astype("<f4")).tobytes())
        kind = _name("torch", _STORAGES.get(rows.dtype, "FloatStorage"))
        storage = [_text("storage"), kind, _text(key), _text("cpu"), _whole(rows.numel())]
        arguments = [
            _tuple(*storage) + pickle.BINPERSID,
            _whole(0),
            _tuple(*map(_whole, rows.shape)),
            _tuple(*map(_whole, rows.stride())),
            pickle.NEWFALSE,
            _name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE,
        ]
        return _name("torch._utils", "_rebuild_tensor_v2") + _tuple(*arguments) + pickle.REDUCE


def _name(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _plain(value: object) -> bytes:
    """What stands for itself. Raises TypeError for what no file has."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return pickle.BINFLOAT + struct.pack(">d", value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(value)
    if value is None or isinstance(value, bool):
        return {None: pickle.NONE, True: pickle.NEWTRUE, False: pickle.NEWFALSE}[value]
    raise TypeError(f"a {type(value).__name__} cannot be written")


def _text(text: str) -> bytes:
    content = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(content)) + content


def _whole(number: int) -> bytes:
    if -(2**31) <= number < 2**31:
        return pickle.BININT + struct.pack("<i", number)
    content = pickle.encode_long(number)
    return pickle.LONG1 + bytes([len(content)]) + content


def _tuple(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def _zipped(members: Mapping[str, bytes], comment: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(_entry(f"{_FOLDER}/{name}", out.tell()), content)
        archive.comment = comment
    return out.getvalue()


def _entry(name: str, offset: int) -> zipfile.ZipInfo:
    """A member without date or system, its content on a border of 64 bytes as torch has it."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 0
    padding = -(offset + 30 + len(name) + 4) % _ALIGNMENT
    entry.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    return entry
