"""What a picture shows, in words: its caption file, else the words of its file name."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import CaptionError, ConfigError, setting

_LEADING_NUMBER = re.compile(r"^[-\d]+\s*")
"""A1111 drops the running number that its preprocessing puts first."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
FALLBACK = ".caption"
"""kohya's ending of caption files."""
MOST_BYTES = 1_000_000
"""A caption file larger than this is something else."""


@dataclass(frozen=True)
class Caption:
    """Words for one picture."""

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
    """The caption of a picture: the file beside it wins over the words of the folder, and they win
    over the file name. With `first_line` the rest of the file is left out, as in kohya's scripts.

    Where there is no file with that extension, one that ends with `.caption` is taken.
    Raises CaptionError for a caption file that is not text.
    """
    beside = caption_file(image, extension)
    if _is_there(beside):
        text = read_text(beside)
        return Caption(text.partition("\n")[0].strip() if first_line else text, from_file=True)
    if words:
        return Caption(words, from_file=False, from_folder=True)
    return Caption(file_words(image.stem, regex, join), from_file=False)


def caption_file(image: Path, extension: str = ".txt") -> Path:
    """Where the caption of a picture is, or would be."""
    beside, other = image.with_suffix(extension), image.with_suffix(FALLBACK)
    return other if not _is_there(beside) and _is_there(other) else beside


def _is_there(path: Path) -> bool:
    """No file can have a name that is too long for the disk; `is_file` raises then."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_text(path: Path) -> str:
    """The text of a caption file, without white space around it (A1111 kept the trailing newline,
    a defect). Raises CaptionError for a file that is not text."""
    try:
        with path.open("rb") as file:
            return decode(file.read(MOST_BYTES + 1)).strip()
    except OSError as error:
        why = error.strerror or str(error)
        raise CaptionError(f"cannot read the caption {path.name}", why) from error
    except ValueError as error:
        raise CaptionError(
            f"cannot read the caption {path.name}", str(error), "save it as UTF-8 text"
        ) from error


def decode(data: bytes) -> str:
    """The text in the bytes of a caption file: UTF-8 with or without a mark at the start, or
    UTF-16 with one (Windows' "Unicode"). Raises ValueError (UnicodeDecodeError is one)."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    text = data.decode(encoding).removeprefix("\ufeff")
    if "\0" in text:
        raise ValueError("it holds NUL characters: UTF-16 or UTF-32 without a mark, or no text")
    return text


def file_words(stem: str, regex: str = "", join: str = " ") -> str:
    """A1111's file words: `000001-1-a man in suit` → `a man in suit`; with regex `\\w+` and
    join `, ` → `a, man, in, suit`. Raises ConfigError for a broken regex."""
    words = _LEADING_NUMBER.sub("", stem)
    if not regex:
        return words
    try:
        return join.join(_whole(match) for match in re.findall(regex, words))
    except re.error as error:
        raise ConfigError(
            f"{setting('filename_word_regex')} {regex!r} is no regular expression", str(error)
        ) from error


def _whole(match: str | tuple[str, ...]) -> str:
    """`findall` gives tuples when the pattern has several groups."""
    return match if isinstance(match, str) else "".join(match)
