"""What training must know of an image before it reads its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError, FileError
from ..files.regular_file import open_regular
from .pictures import open_picture, upright_size

_CHUNK = 2**20


class PictureFacts(NamedTuple):
    """An image file that can be read to its end."""

    digest: str
    """BLAKE2b of the file's bytes, 32 hexadecimal digits; empty where only its head was read."""
    width: int
    """Of the upright image, like the height in pixels."""
    height: int


Look = Callable[[Path], PictureFacts]
"""Tells about a file; raises DataError for what is not a whole image of sensible size."""


def read_facts(path: Path) -> PictureFacts:
    """Read the whole file and decode it. Raises DataError as `Look` says."""
    width, height = open_picture(path).size
    return PictureFacts(digest_of(path), width, height)


def head_of(path: Path) -> PictureFacts:
    """Read the file's head: enough for its size, not to know that it can be read to its end."""
    return PictureFacts("", *upright_size(path))


def digest_of(path: Path) -> str:
    """BLAKE2b of a file's bytes, 32 hexadecimal digits. Raises DataError."""
    found = hashlib.blake2b(digest_size=16)
    try:
        with open_regular(path) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except (FileError, OSError) as error:
        why = error.why if isinstance(error, FileError) else str(error)
        raise DataError(f"{path.name} is skipped", why) from error
    return found.hexdigest()
