"""Text files of strangers: regular ones of limited size, in UTF-8 or in UTF-16 with a mark.

Every text that is read goes through here: templates, prompts, captions, dataset files, settings and
configurations of models. `tests/repo/test_reading.py` holds the code to that.
"""

from __future__ import annotations

import codecs
import json
from pathlib import Path

from ..errors import FileError
from .regular_file import open_regular, read_bytes

MOST_BYTES = 1_000_000
"""What people write is smaller."""
_MOST_DIGITS = 20
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF16_LE, "UTF-16-LE"),
    (codecs.BOM_UTF16_BE, "UTF-16-BE"),
)
_LONGEST_MARK = max(len(mark) for mark, _ in _MARKS)


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    r"""The text of a file of at most `most` bytes, its lines ended by `\n` alone.

    Raises FileError for what is missing, larger, not a regular file, or not text that `decode`
    knows.
    """
    try:
        text = decode(read_bytes(path, most))
    except ValueError as error:
        raise FileError(f"cannot read {path}", str(error), "save it as UTF-8 text") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def mark_of(path: Path) -> str:
    """The encoding that a mark at the start of a file tells of (a byte order mark); "" where there
    is none. Raises FileError as `read_text` does."""
    with open_regular(path) as file:
        start = file.read(_LONGEST_MARK)
    return next((name for mark, name in _MARKS if start.startswith(mark)), "")


def read_json(path: Path, most: int = MOST_BYTES) -> object:
    """The value in a JSON file of at most `most` bytes. Raises FileError as `read_text` does, and
    for what is not JSON."""
    text = read_text(path, most)
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise FileError(f"cannot read {path}", "its values are nested too deeply") from error
    except ValueError as error:
        raise FileError(f"cannot read {path}", f"it is not JSON ({error})") from error


def _whole(digits: str) -> int:
    """Larger numbers are not sizes or counts, and some of Python's functions refuse them."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)


def decode(data: bytes) -> str:
    """The text in the bytes of a file: UTF-8 with or without a mark at the start, or UTF-16 with
    one (Windows' "Unicode"). Raises ValueError for other encodings and for NUL characters."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "UTF-8")
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        at = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        raise ValueError(f"it is not {encoding} text ({at})") from error
    if "\0" in text:
        raise ValueError("it contains NUL: UTF-32, UTF-16 without a mark at its start, or not text")
    return text
