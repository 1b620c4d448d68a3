"""What an image shows, in words: its caption file, else the words of its file name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import CaptionError, FileError, setting
from ..files.text_file import read_text
from ..options import MOST_LETTERS
from .patterns import Pattern

_LEADING_NUMBER = re.compile(r"^[-\d]+\s*")
"""A1111 drops the running number that its preprocessing puts first."""
_HALVES, _FIRST_BYTE = re.compile("[\ud800-\udfff]"), 0xDC00
"""Python's signs for the bytes of a name that are not UTF-8 (PEP 383), and where they begin."""
FALLBACK = ".caption"
"""kohya's ending of caption files."""


@dataclass(frozen=True)
class Caption:
    """Words for one image."""

    text: str
    from_file: bool
    """A caption file was found; otherwise these are the folder's words or A1111's file words."""
    from_folder: bool = False
    """These are the words of its folder (kohya's class tokens)."""


def read_caption(
    image: Path,
    extension: str = ".txt",
    regex: str = "",
    join: str = " ",
    words: str = "",
    first_line: bool = False,
) -> Caption:
    """The caption of an image: the file beside it wins over the words of the folder, and they win
    over the file name. With `first_line` the rest of the file is left out, as in kohya's scripts.

    Where there is no file with that extension, one that ends with `.caption` is taken.
    Raises CaptionError for a caption file that is not text, and for one that no prompt takes.
    """
    beside = caption_file(image, extension)
    if _is_there(beside):
        text = caption_text(beside)
        text = text.partition("\n")[0].strip() if first_line else text
        found = Caption(text, from_file=True)
    elif words:
        found = Caption(readable(words), from_file=False, from_folder=True)
    else:
        found = Caption(file_words(image.stem, regex, join), from_file=False)
    if len(found.text) > MOST_LETTERS:
        why = f"it has {len(found.text):,} characters, and a prompt takes at most {MOST_LETTERS:,}"
        raise CaptionError(f"cannot use the caption of {image.name}", why, "shorten it")
    return found


def caption_file(image: Path, extension: str = ".txt") -> Path:
    """Where the caption of an image is, or would be."""
    beside, other = image.with_suffix(extension), image.with_suffix(FALLBACK)
    return other if not _is_there(beside) and _is_there(other) else beside


def _is_there(path: Path) -> bool:
    """No file can have a name that is too long for the disk; `is_file` raises then."""
    try:
        return path.is_file()
    except OSError:
        return False


def caption_text(path: Path) -> str:
    """The text of a caption file, without white space around it (A1111 kept the trailing newline,
    a defect). Raises CaptionError for a file that is not text."""
    try:
        return read_text(path).strip()
    except FileError as error:
        what = f"cannot read the caption {path.name}"
        raise CaptionError(what, error.why, error.fix) from error


def file_words(stem: str, regex: str = "", join: str = " ") -> str:
    """A1111's file words: `000001-1-a man in suit` → `a man in suit`; with regex `\\w+` and
    join `, ` → `a, man, in, suit`. Raises ConfigError as `Pattern` does."""
    words = _LEADING_NUMBER.sub("", readable(stem))
    if not regex:
        return words
    found = Pattern(regex, setting("filename_word_regex")).find_all(words)
    return join.join(found)


def readable(name: str) -> str:
    """The name of a file as text for prompts and pages: bytes that are not UTF-8, as in zip files
    of older Windows, are read as Windows' Latin letters; halves of other signs become `\ufffd`."""
    return _HALVES.sub(_letter, name)


def _letter(half: re.Match[str]) -> str:
    byte = ord(half[0]) - _FIRST_BYTE
    return bytes([byte]).decode("cp1252", "replace") if 0x80 <= byte <= 0xFF else "\ufffd"
