"""The numbers by which A1111 and we know an embedding."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from .regular_file import open_regular

if TYPE_CHECKING:
    from .embedding import Embedding


_SHOWN = 12
"""Digits of a hash."""


def vector_checksum(embedding: Embedding) -> str:
    """Four hex digits over the vectors, as in A1111's `Embedding.checksum` (a `.pt.optim` beside
    a file bears them); "" for SDXL, of which A1111 makes none.

    A1111 works in 32 bits and shows the lower 16; no higher bit ever reaches those.
    """
    if len(embedding.vectors) != 1:
        return ""
    digest = 0
    for number in (next(iter(embedding.vectors.values())).reshape(-1) * 100).tolist():
        digest = (digest * 281 ^ int(number) * 997) & 0xFFFF
    return f"{digest:04x}"


def shorthash(data: bytes) -> str:
    """`file_shorthash` of a file with these bytes."""
    return hashlib.sha256(data).hexdigest()[:_SHOWN]


def file_shorthash(path: Path) -> str:
    """First 12 hex digits of the file's SHA-256: A1111's `shorthash`, shown as "TI hashes" in the
    text of images. Raises FileError."""
    return file_sha256(path)[:_SHOWN]


def file_sha256(path: Path) -> str:
    """64 hex digits. Raises FileError for what is not a regular file or cannot be read."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
