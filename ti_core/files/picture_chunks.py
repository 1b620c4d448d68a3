"""What PNG and WebP files say about themselves, read before any pixel is unpacked.

Sizes are compared with the real file; nothing is allocated that the file could not fill. A decoder
of images gets only the parts that a card needs: what else a file may have (texts, profiles,
moving images, a second header) costs memory, or changes the size that was looked at.
Formats: PNG specification (third edition) 5 and 11, RFC 9649 for WebP.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from .inflate import inflated

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JXL_SIGNATURES = (b"\0\0\0\x0cJXL ", b"\xff\x0a")
"""Of the container, and of the bare stream."""
_MOST_CHUNKS = 100_000
"""The pixels of a large PNG are in some thousand of them."""
_LONGEST_KEYWORD = 79
_SIZE_OF_HEADER = 13


def is_png(data: bytes) -> bool:
    """Whether these are the first bytes of a PNG."""
    return data.startswith(PNG_SIGNATURE)


def is_webp(data: bytes) -> bool:
    """Whether these are the first bytes of a WebP image."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def other_format(file: BinaryIO) -> str:
    """Pillow's name of AVIF and JPEG XL, whose pixels only a library can find; "" for others."""
    file.seek(0)
    start = file.read(12)
    if start[4:8] == b"ftyp":
        return "AVIF"
    return "JXL" if start.startswith(JXL_SIGNATURES) else ""


def png_text(file: BinaryIO, keyword: str, most: int) -> bytes | None:
    """The text under a keyword in a PNG's tEXt, zTXt or iTXt chunks, of `most` bytes at most.

    None when there is no such text. Raises ValueError for a damaged file.
    """
    wanted = keyword.encode("latin-1") + b"\0"
    for kind, length in _png_chunks(file):
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or file.read(len(wanted)) != wanted:
            continue
        if length > most + _LONGEST_KEYWORD:
            raise ValueError(f"its text is larger than {most >> 20} MB")
        file.seek(-len(wanted), os.SEEK_CUR)
        text = _unpacked_text(kind, _body(file, kind, length)[len(wanted) :], most)
        if len(text) > most:
            raise ValueError(f"its text is larger than {most >> 20} MB")
        return text
    return None


def with_png_text(file: BinaryIO, keyword: str, text: bytes) -> bytes:
    """A PNG with another text (Latin-1) under a keyword, in a tEXt chunk at the place of the first
    one; all other chunks are as they were. Raises ValueError for a damaged file."""
    wanted, parts, is_new = keyword.encode("latin-1") + b"\0", [PNG_SIGNATURE], True
    for kind, length in _png_chunks(file):
        body = _body(file, kind, length)
        if kind in (b"tEXt", b"zTXt", b"iTXt") and body.startswith(wanted):
            parts += [_chunk(b"tEXt", wanted + text)] if is_new else []
            is_new = False
        else:
            parts.append(_chunk(kind, body))
    return b"".join(parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", crc)


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


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(kind, length) of every chunk; the file stands at its content."""
    size, place = file.seek(0, os.SEEK_END), len(PNG_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if place >= size:
            return
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("it is cut off")
        length, kind = struct.unpack(">I4s", head)
        place += 12 + length
        if place > size:
            raise ValueError(f"a chunk claims {length} bytes, more than the file has")
        yield kind, length
        if kind == b"IEND":
            return
    raise ValueError("it has more chunks than any image")


def _body(file: BinaryIO, kind: bytes, length: int) -> bytes:
    """The content of a chunk."""
    body = file.read(length)
    if file.read(4) != struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))):
        raise ValueError(f"its chunk {kind!r} is damaged")
    return body


def bare_picture(file: BinaryIO, most: int) -> io.BytesIO:
    """A PNG or a lossless WebP of `most` pixels at most, with nothing but its pixels.

    Raises ValueError for anything else, and for lossy or moving WebP: they cannot carry data in
    their pixels.
    """
    file.seek(0)
    start = file.read(12)
    if is_png(start):
        return _bare_png(file, most)
    if is_webp(start):
        return _bare_webp(file, most)
    raise ValueError("it is neither PNG nor WebP")


def _bare_png(file: BinaryIO, most: int) -> io.BytesIO:
    bare = io.BytesIO(PNG_SIGNATURE)
    bare.seek(0, os.SEEK_END)
    for kind, length in _png_chunks(file):
        is_header, is_first = kind == b"IHDR", bare.tell() == len(PNG_SIGNATURE)
        if is_header != is_first or (is_header and length != _SIZE_OF_HEADER):
            raise ValueError("its header is damaged")
        if kind in (b"IHDR", b"IDAT", b"IEND"):
            body = _body(file, kind, length)
            if is_header:
                width, height = struct.unpack_from(">II", body)
                _require_few(width, height, most)
            bare.write(_chunk(kind, body))
    bare.seek(0)
    return bare


def _require_few(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise ValueError(f"a card of {width}×{height} pixels is too large to be searched")


def _bare_webp(file: BinaryIO, most: int) -> io.BytesIO:
    canvas: tuple[int, int] | None = None
    for kind, length in _riff_chunks(file):
        if kind == b"VP8X" and len(body := file.read(10)) == 10:
            canvas = (_three_bytes(body[4:7]) + 1, _three_bytes(body[7:10]) + 1)
        elif kind == b"VP8L" and len(body := file.read(5)) == 5:
            (bits,) = struct.unpack_from("<I", body, 1)
            size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            if canvas not in (None, size):
                raise ValueError("its headers disagree about its size")
            _require_few(*size, most)
            return _riff(kind, body + file.read(length - 5))
        elif kind in (b"VP8 ", b"ANIM", b"ANMF"):
            raise ValueError("a lossy or moving WebP cannot carry data in its pixels")
    raise ValueError("its header is damaged")


def _riff_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(kind, length) of the chunks of a WebP; the file stands at their content."""
    size, place = file.seek(0, os.SEEK_END), 12
    for _ in range(_MOST_CHUNKS):
        if place + 8 > size:
            return
        file.seek(place)
        kind, length = struct.unpack("<4sI", file.read(8))
        yield kind, min(length, size - place - 8)
        place += 8 + length + length % 2


def _riff(kind: bytes, body: bytes) -> io.BytesIO:
    padding = b"\0" * (len(body) % 2)
    chunk = struct.pack("<4sI", kind, len(body)) + body + padding
    return io.BytesIO(struct.pack("<4sI4s", b"RIFF", len(chunk) + 4, b"WEBP") + chunk)


def _three_bytes(data: bytes) -> int:
    return int.from_bytes(data, "little")
