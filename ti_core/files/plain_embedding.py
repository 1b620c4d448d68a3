"""Plain embeddings without torch, which takes longer to load than a thousand of them to read."""

from __future__ import annotations

import math
import os
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import FileError
from ..families import ENCODER_KEYS, OTHER_KEYS
from .embedding import ONE_ENCODER
from .names import composed, printable
from .notes import noted_step, translated
from .peek import is_plain, is_table
from .regular_file import open_regular
from .safetensors_directory import directory_in, text_metadata
from .safetensors_header import Header

_MOST_BYTES = 64 * 2**20
"""As for every other reader of embeddings."""
_DIGITS = 6
_ORDER = (ONE_ENCODER, *ENCODER_KEYS, *OTHER_KEYS)
"""In which every reader has the tables."""


@dataclass(frozen=True)
class PlainEmbedding:
    """What is known of an embedding without its numbers."""

    name: str
    widths: dict[str, int]
    """Key in the file → width of its vectors."""
    norms: dict[str, list[float]]
    """Key in the file → Euclidean length of each vector."""
    step: int
    metadata: dict[str, str]


def read_plain(path: Path) -> PlainEmbedding | None:
    """What `read_embeddings` finds in a `.safetensors` of fp32 tables under their usual names;
    None for everything that needs a closer look, be it good or bad."""
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        with open_regular(path) as file:
            start, header = directory_in(file, path)
            metadata = text_metadata(header)
            if not _is_simple(header, os.fstat(file.fileno()).st_size):
                return None
            keys = sorted(header, key=_ORDER.index)
            norms = {key: _norms(file, start, header, key) for key in keys}
    except (FileError, OSError):
        return None
    if not all(map(math.isfinite, (length for rows in norms.values() for length in rows))):
        return None
    notes = {printable(k): printable(v) for k, v in {**metadata, **translated(metadata)}.items()}
    widths = {key: header[key]["shape"][1] for key in keys}
    name = printable(composed(path.stem))
    return PlainEmbedding(name, widths, norms, noted_step(metadata, path.stem), notes)


def _is_simple(header: Header, size: int) -> bool:
    entries = header.values()
    return (
        size <= _MOST_BYTES
        and is_plain(set(header))
        and all(is_table(entry) and entry["dtype"] == "F32" for entry in entries)
    )


def _norms(file: BinaryIO, start: int, header: Header, key: str) -> list[float]:
    begin, end = header[key]["data_offsets"]
    file.seek(start + begin)
    numbers = array("f", file.read(end - begin))
    if sys.byteorder == "big":
        numbers.byteswap()
    count, width = header[key]["shape"]
    return [round(math.hypot(*numbers[i * width : (i + 1) * width]), _DIGITS) for i in range(count)]
