"""A checksum within a file that is believed later: no change of the file goes unnoticed.

The file has text at its beginning, as JSON and safetensors do, and in that text the name `SEAL`
with the value `UNSEALED`. Into the place of its zeros goes the SHA-256 of the file as it is then.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from ..errors import FileError
from .atomic import write_bytes
from .regular_file import open_regular
from .text_file import read_json

SEAL = "ti.seal"
_WORD, _ZEROS = "ti.sha256:", "0" * 64
UNSEALED = _WORD + _ZEROS
"""Beside the name this is a second mark: damage to one of them does not make a sealed file look
like one that never was."""
_PLACE = re.compile(f'"{re.escape(SEAL)}": ?"{_WORD}([0-9a-f]{{64}})"'.encode())
_MARKS = f'"{SEAL}'.encode(), f'"{_WORD}'.encode()
_HEAD_BYTES = 17 * 2**20
"""No header of ours is longer."""
_MOST_JSON_BYTES = 16 * 2**20


def sealed(data: bytes) -> bytes:
    """The content of a file, with its seal filled in."""
    place = _PLACE.search(data)
    assert place, "there is no place for a seal"
    digest = hashlib.sha256(data).hexdigest().encode()
    return data[: place.start(1)] + digest + data[place.end(1) :]


def require_whole(file: BinaryIO, path: Path) -> None:
    """Read a file from its beginning, and raise FileError if it is not what was sealed; `path` is
    its name in errors. A file that never had a seal (versions 0.1 and 0.2) passes."""
    try:
        file.seek(0)
        whole = _is_whole(file)
    except OSError as error:
        raise FileError(f"cannot read {path}", error.strerror or str(error)) from error
    if not whole:
        raise FileError(f"{path} is damaged", "its content is not what was written")


def _is_whole(file: BinaryIO) -> bool:
    head = file.read(_HEAD_BYTES)
    place = _PLACE.search(head)
    if not place:
        return not any(mark in head for mark in _MARKS)
    digest = hashlib.sha256(head[: place.start(1)] + _ZEROS.encode() + head[place.end(1) :])
    while more := file.read(2**20):
        digest.update(more)
    return digest.hexdigest().encode() == place[1]


def write_sealed_json(path: Path, values: Mapping[str, object]) -> None:
    """Write an object as JSON with a seal, atomically. Raises StorageError."""
    told = {SEAL: "", **values} | {SEAL: UNSEALED}  # the first line, whatever was read before
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    # a name that is not Unicode, in a path, is written as JSON's own escape
    write_bytes(path, sealed(text.encode("utf-8", "backslashreplace")))


def read_sealed_json(path: Path) -> dict[str, object]:
    """What `write_sealed_json` wrote. Raises FileError when it is not there or damaged."""
    with open_regular(path) as file:
        require_whole(file, path)
    values = read_json(path, _MOST_JSON_BYTES)
    if not isinstance(values, dict):
        raise FileError(f"{path} is damaged", "it holds no JSON object")
    values.pop(SEAL, None)
    return values
