"""Small databases of what was seen before: a line with title and checksum, then JSON.

They are ours and easily replaced, and still not believed: whatever is in one must not take more
memory than an honest one could.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from ..errors import FileError
from .atomic import write_bytes
from .regular_file import read_bytes

_MOST_BYTES = 2**26
"""What is known of a hundred thousand files."""
_MOST_VALUES = 3_000_000
"""Each is a hundred bytes in Python."""


def write_index(path: Path, title: bytes, rows: object) -> None:
    """Replace an index as a whole. `title` is a format's name, a space, and its versions.

    Raises StorageError.
    """
    body = json.dumps(rows, separators=(",", ":")).encode("ascii")
    write_bytes(path, b"%s %08x\n%s" % (title, zlib.crc32(body), body))


def read_index(path: Path, title: bytes) -> Any:
    """What was written under this title; None if it is there in another version.

    Raises FileError for a file that is missing, damaged, too large, or something else.
    """
    head, _, body = read_bytes(path, _MOST_BYTES).partition(b"\n")
    found, _, checksum = head.rpartition(b" ")
    if found != title and found.split(b" ")[0] == title.split(b" ")[0]:
        return None
    if found != title or checksum != b"%08x" % zlib.crc32(body):
        raise FileError(f"the index {path} is damaged")
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise FileError(f"the index {path} is damaged", "it holds more than any folder")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FileError(f"the index {path} is damaged", str(error)) from error
