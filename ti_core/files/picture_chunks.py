"""What PNG and WebP files say about themselves, read before any pixel is unpacked.

Sizes are compared with the real file; nothing is allocated that the file could not fill.
Formats: PNG specification (third edition) 5 and 11, RFC 9649 for WebP.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from .inflate import inflated

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_png(data: bytes) -> bool:
    """Whether these are the first bytes of a PNG."""
    return data.startswith(PNG_SIGNATURE)


def is_webp(data: bytes) -> bool:
    """Whether these are the first bytes of a WebP picture."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def png_text(data: bytes, keyword: str, most: int) -> bytes | None:
    """The text under a keyword in a PNG's tEXt, zTXt or iTXt chunks, of `most` bytes at most.

    None when there is no such text. Raises ValueError for a damaged file.
    """
    wanted = keyword.encode("latin-1") + b"\0"
    for kind, body in _png_chunks(data):
        if kind in (b"tEXt", b"zTXt", b"iTXt") and body.startswith(wanted):
            text = _unpacked_text(kind, body[len(wanted) :], most)
            if len(text) > most:
                raise ValueError(f"its text is larger than {most >> 20} MB")
            return text
    return None


def _unpacked_text(kind: bytes, text: bytes, most: int) -> bytes:
    if kind == b"tEXt":
        return text
    if kind == b"zTXt":
        return inflated(text[1:], most)
    packed, rest = text[:1] == b"\1", text[2:]
    try:
        _language, _translated, rest = rest.split(b"\0", 2)
    except ValueError:
        raise ValueError("a text in it is damaged") from None
    return inflated(rest, most) if packed else rest


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of every chunk but the pixels'."""
    place = len(PNG_SIGNATURE)
    while place < len(data):
        if place + 12 > len(data):
            raise ValueError("it is cut off")
        length, kind = struct.unpack_from(">I4s", data, place)
        if length > len(data) - place - 12:
            raise ValueError(f"a chunk claims {length} bytes, more than the file has")
        if kind != b"IDAT":
            body = data[place + 8 : place + 8 + length]
            (checksum,) = struct.unpack_from(">I", data, place + 8 + length)
            if zlib.crc32(body, zlib.crc32(kind)) != checksum:
                raise ValueError(f"its chunk {kind!r} is damaged")
            yield kind, body
        if kind == b"IEND":
            return
        place += 12 + length


def picture_size(data: bytes) -> tuple[int, int]:
    """(width, height) of a PNG or of a lossless WebP, in pixels.

    Raises ValueError for anything else, and for lossy or moving WebP: they cannot carry data in
    their pixels.
    """
    if is_png(data):
        if len(data) < 24 or data[12:16] != b"IHDR":
            raise ValueError("its header is damaged")
        width, height = struct.unpack_from(">II", data, 16)
        return int(width), int(height)
    if is_webp(data):
        return _webp_size(data)
    raise ValueError("it is neither PNG nor WebP")


def _webp_size(data: bytes) -> tuple[int, int]:
    canvas: tuple[int, int] | None = None
    for kind, body in _riff_chunks(data):
        if kind == b"VP8X" and len(body) >= 10:
            canvas = (_three_bytes(body[4:7]) + 1, _three_bytes(body[7:10]) + 1)
        elif kind == b"VP8L" and len(body) >= 5:
            (bits,) = struct.unpack_from("<I", body, 1)
            size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            if canvas not in (None, size):
                raise ValueError("its headers disagree about its size")
            return size
        elif kind in (b"VP8 ", b"ANIM", b"ANMF"):
            raise ValueError("a lossy or moving WebP cannot carry data in its pixels")
    raise ValueError("its header is damaged")


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, first bytes) of the chunks of a WebP."""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + min(length, 16)]
        place += 8 + length + length % 2


def _three_bytes(data: bytes) -> int:
    return int.from_bytes(data, "little")
