"""Unpacks zlib streams of strangers: no more than is allowed ever comes into memory."""

from __future__ import annotations

import zlib


def inflated(stream: bytes, most: int) -> bytes:
    """The content of a zlib stream; what follows the stream is ignored, as A1111 does.

    Raises ValueError when it is damaged, cut off, or unpacks to more than `most` bytes.
    """
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(stream, most + 1)
    except zlib.error as error:
        raise ValueError(f"its packed data is damaged ({error})") from error
    if len(content) > most:
        raise ValueError(f"it unpacks to more than {most >> 20} MB")
    if not unpacker.eof:
        raise ValueError("its packed data is cut off")
    return content
