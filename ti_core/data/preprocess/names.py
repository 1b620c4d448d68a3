"""What the images are called: A1111's `00007-0-holiday.png`."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

LONGEST_NAME = 255
"""Bytes that most file systems allow for a name."""
LONGEST_PATH = 259 if os.name == "nt" else 1023
"""A1111's limits for a whole path."""
_FORBIDDEN = '\\/:*?"<>|' if os.name == "nt" else "/"
"""A1111 removes these from captions that become names."""


def output_stem(folder: Path, index: int, subindex: int, stem: str, ending: str = ".png") -> str:
    """`{index:05}-{subindex}-{stem}`, cut so that it is a name that can be written in `folder`.

    `index` counts every entry of the source folder, images or not, `subindex` the images made
    of one source. Control characters, such as a line break, become spaces: words of the name are
    put into prompts. `ending` is the longest that will follow.
    """
    start = f"{index:05}-{subindex}-"
    whole = "".join(" " if unicodedata.category(c) == "Cc" else c for c in stem)
    room = min(LONGEST_NAME, LONGEST_PATH - _length(f"{folder.absolute()}{os.sep}"))
    return start + _cut(whole, room - len(start) - len(ending))


def caption_stem(
    folder: Path, index: int, subindex: int, caption: str, ending: str = ".png"
) -> str:
    """The same with a caption as the stem, as in October 2022; it is cut between words."""
    allowed = "".join(c for c in caption if c not in _FORBIDDEN)
    stem = output_stem(folder, index, subindex, allowed, ending)
    shortened = len(stem) < len(f"{index:05}-{subindex}-{allowed}")
    return (stem.rpartition(" ")[0] or stem) if shortened else stem


def printable_name(name: str | Path) -> str:
    """A name as one line of text that can be printed anywhere."""
    text = os.fsencode(str(name)).decode("utf-8", "backslashreplace")
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cf") else c for c in text)


def _length(text: str) -> int:
    return len(os.fsencode(text))


def _cut(text: str, room: int) -> str:
    """As many whole characters as fit into `room` bytes."""
    if _length(text) <= room:
        return text
    return text.encode("utf-8", "surrogateescape")[: max(0, room)].decode("utf-8", "ignore")
