"""What a picture shows, in words: its caption file, else the words of its file name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, DataError

_LEADING_NUMBER = re.compile(r"^[-\d]+\s*")
"""A1111 drops the running number that its preprocessing puts first."""


@dataclass(frozen=True)
class Caption:
    """Words for one picture."""

    text: str
    from_file: bool
    """A caption file was found; otherwise these are A1111's file words."""


def read_caption(image: Path, extension: str = ".txt", regex: str = "", join: str = " ") -> Caption:
    """The caption of a picture: the file beside it wins over the file name, as in A1111.

    Raises DataError for a caption file that is not text.
    """
    beside = image.with_suffix(extension)
    if beside.is_file():
        return Caption(_text_of(beside), from_file=True)
    return Caption(file_words(image.stem, regex, join), from_file=False)


def _text_of(path: Path) -> str:
    """UTF-8 with or without a mark at the start; A1111 kept the trailing newline, a defect."""
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the caption {path.name}", str(error), "save it as UTF-8 text"
        ) from error


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
            f"filename_word_regex {regex!r} is no regular expression", str(error)
        ) from error


def _whole(match: str | tuple[str, ...]) -> str:
    """`findall` gives tuples when the pattern has several groups."""
    return match if isinstance(match, str) else "".join(match)
