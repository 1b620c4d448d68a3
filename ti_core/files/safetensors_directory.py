"""What is in a safetensors file, and where, without its numbers.

Free of torch: a list of a thousand embeddings needs nothing else, and starts at once.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from ..errors import FileError
from .advice import AGAIN
from .regular_file import open_regular
from .safetensors_header import METADATA, Header, header_of

_MOST_HEADER_BYTES = 16 * 2**20
"""Checkpoints have some hundred kB, LoRA with the tags of their images a few MB. The reference
implementation allows 100 MB, which can take gigabytes when it is read."""


def read_header(path: Path) -> Header:
    """The JSON header: tensor name → dtype, shape, data_offsets; and "__metadata__".

    Raises FileError unless its tensors, one behind the other, are all that follows it.
    """
    return read_directory(path)[1]


def read_directory(path: Path) -> tuple[int, Header]:
    """(byte of the file from which the offsets count, the header); see `read_header`."""
    try:
        with open_regular(path) as file:
            return directory_in(file, path)
    except OSError as error:
        raise damaged(path, str(error)) from error


def directory_in(file: BinaryIO, path: Path) -> tuple[int, Header]:
    """(where the tensors begin, the header); `path` is its name in errors. Raises FileError."""
    size = os.fstat(file.fileno()).st_size
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
    if not 0 < length <= size - 8:
        raise damaged(path, "its header is cut off or not a safetensors header")
    if length > _MOST_HEADER_BYTES:
        raise damaged(path, f"its header has {length} bytes, more than any model needs")
    try:
        return 8 + length, header_of(file.read(length), size - 8 - length)
    except ValueError as error:
        raise damaged(path, str(error)) from error


def text_metadata(header: Header) -> dict[str, str]:
    """Take the metadata out of a header: text by name."""
    return header.pop(METADATA, {})


def damaged(path: Path, why: str) -> FileError:
    """The error of a file that is not what it should be."""
    return FileError(f"cannot read {path}", why, AGAIN)
