"""The table of contents of a zip file as torch writes it: everything stored, nothing compressed.

Python's own module builds large objects for as many entries as a file cares to list, and believes
their sizes; here the sizes are checked against the file before anything is built from them.
Format: PKWARE's APPNOTE 6.3.3, sections 4.3.7 to 4.3.16.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import FileError, UnsafeFileError
from .advice import AGAIN, UNSAFE

ZIP_START = b"PK\x03\x04"
"""First bytes of a zip that has anything in it."""

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_MOST_BYTES = 8 * 2**20
"""A checkpoint with its optimizer has some ten thousand members of about 80 bytes each."""
_MOST_LETTERS_IN_ERRORS = 80
_STORED, _ENCRYPTED, _ELSEWHERE = 0, 1, 0xFFFFFFFF


@dataclass(frozen=True)
class Member:
    """A file in the zip."""

    name: str
    header: int
    """Where its own header begins in the zip."""
    size: int


def read_directory(file: BinaryIO, path: Path, sought: str = "") -> dict[str, Member]:
    """Members by name; one of them must be called `sought`, or end so.

    Raises UnsafeFileError when a member is compressed, encrypted, listed twice, or when together
    they are larger than the file; FileError when the table is damaged, or
    has not what is sought.
    """
    size = os.fstat(file.fileno()).st_size
    members: dict[str, Member] = {}
    room, table = size, _directory(file, path, size)
    if sought.encode() not in table:
        raise not_torch(path)
    for member, plain in _entries(table, path):
        room -= member.size
        if not plain or room < 0 or member.header + member.size > size or member.name in members:
            name = member.name[:_MOST_LETTERS_IN_ERRORS]
            why = f"member {name!r} is compressed, doubled, or larger than the file"
            raise UnsafeFileError(
                f"{path.name} was rejected", why, "torch does not write such files"
            )
        members[member.name] = member
    return members


def not_torch(path: Path) -> FileError:
    """The error for another program's zip."""
    what, why = f"{path.name} is not a torch file", "it is another zip archive"
    return FileError(what, why, "unpack it, and give the file that is in it")


def data_start(file: BinaryIO, member: Member, path: Path) -> int:
    """Where a member's bytes begin: after its own header, whose length only itself knows."""
    file.seek(member.header)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != ZIP_START:
        raise UnsafeFileError(f"{path.name} was rejected", "its zip headers disagree", UNSAFE)
    name_length, extra_length = _LOCAL.unpack(header)[-2:]
    if file.read(name_length) != member.name.encode("utf-8", "surrogateescape"):
        raise UnsafeFileError(f"{path.name} was rejected", "its zip headers disagree", UNSAFE)
    start = member.header + _LOCAL.size + int(name_length) + int(extra_length)
    if start + member.size > os.fstat(file.fileno()).st_size:
        name = member.name[:_MOST_LETTERS_IN_ERRORS]
        raise FileError(f"{path.name} is cut off", f"{name!r} is incomplete", AGAIN)
    return start


def read_comment(file: BinaryIO, path: Path) -> bytes:
    """The text behind the table of contents, 65,535 bytes at most. Raises FileError."""
    return _tail(file, path)[1][_END.size :]


def _directory(file: BinaryIO, path: Path, size: int) -> bytes:
    """The bytes of the table, which the record at the end of the file leads to."""
    end, tail = _tail(file, path)
    length, start = _END.unpack_from(tail)[5:7]
    if _ELSEWHERE in (length, start):
        length, start = _end_64(file, path, end)
    if length > _MOST_BYTES or start + length > size:
        why = "its table of contents is too large"
        raise UnsafeFileError(f"{path.name} was rejected", why, UNSAFE)
    file.seek(start)
    return file.read(length)


def _tail(file: BinaryIO, path: Path) -> tuple[int, bytes]:
    """(place, content) of the record at the end of the file, and what follows it."""
    start = max(0, os.fstat(file.fileno()).st_size - _END.size - _LONGEST_COMMENT)
    file.seek(start)
    tail = file.read(_END.size + _LONGEST_COMMENT)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise FileError(f"{path.name} is cut off", "the zip has no end", AGAIN)
    return start + place, tail[place:]


def _end_64(file: BinaryIO, path: Path, end: int) -> tuple[int, int]:
    """(length, start) of the table in files of more than 4 GB."""
    file.seek(max(0, end - _LOCATOR_64.size))
    locator = file.read(_LOCATOR_64.size)
    if locator[:4] == b"PK\x06\x07":
        file.seek(min(_LOCATOR_64.unpack(locator)[2], end))
        record = file.read(_END_64.size)
        if len(record) == _END_64.size and record[:4] == b"PK\x06\x06":
            length, start = _END_64.unpack(record)[-2:]
            return length, start
    raise FileError(f"{path.name} is damaged", "the zip has no end", AGAIN)


def _entries(table: bytes, path: Path) -> Iterator[tuple[Member, bool]]:
    """Every member, and whether it is neither compressed nor encrypted."""
    place = 0
    while place < len(table):
        if len(table) - place < _ENTRY.size or table[place : place + 4] != b"PK\x01\x02":
            raise FileError(f"{path.name} is damaged", "its table of contents is cut off", AGAIN)
        fields = _ENTRY.unpack_from(table, place)
        flags, method, packed, full = fields[3], fields[4], fields[8], fields[9]
        name_end = place + _ENTRY.size + fields[10]
        extra_end = name_end + fields[11]
        name = table[place + _ENTRY.size : name_end].decode("utf-8", "surrogateescape")
        full, packed, header = _large(table[name_end:extra_end], full, packed, fields[16])
        plain = method == _STORED and not flags & _ENCRYPTED and packed == full
        yield Member(name, header, full), plain
        place = extra_end + fields[12]


def _large(extra: bytes, *sizes: int) -> list[int]:
    """Sizes and offset, where those that need more than 32 bits are in the extra field 1."""
    found = list(sizes)
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            wide = struct.iter_unpack("<Q", extra[place + 4 : place + 4 + length // 8 * 8])
            found = [next(wide)[0] if n == _ELSEWHERE else n for n in found]
            break
        place += 4 + length
    return found
