"""Wishes for a run that are in its folder: the file `control`, a command in each line.

Any program can write it, such as `echo save > control`; the run reads it before its next update,
removes it, and does what it says. The words are those of `Control.ask`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import ConfigError, FileError
from ..events import Notice, notice_of
from ..files.text_file import read_text
from .control import Control

_MOST_BYTES = 1000


def obey(path: Path, control: Control) -> Iterator[Notice]:
    """Tell the control what the file says, and remove it; what cannot be read is a warning.

    A file without text is being written, and waits.
    """
    if not path.exists():
        return
    text, fault = "", None
    try:
        text = read_text(path, _MOST_BYTES)
    except FileError as error:
        fault = notice_of(error)
    if not fault and not text.strip():
        return
    try:
        path.unlink()
    except OSError:  # as long as it cannot be removed, it would be obeyed again and again
        return
    yield from [fault] if fault else []
    for line in filter(str.strip, text.split("\n")):
        try:
            control.ask(line)
        except ConfigError as error:
            yield notice_of(error)
