"""Paths that people write: never blank, and `~` is their own folder."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ConfigError


def given_path(text: str, what: str) -> Path:
    """A path that a user has given; `what` names it in errors.

    Raises ConfigError for blank text, which `Path` takes for the folder that the program runs in,
    and for what no file can be called.
    """
    path = settled_path(text, what)
    if not path:
        raise ConfigError(f"{what} is empty", "", "name a file or a folder")
    return Path(path)


def settled_path(text: str, what: str) -> str:
    """The same as text, "" for blank. Raises ConfigError for what no file can be called."""
    if not text.strip():
        return ""
    try:
        if b"\0" in os.fsencode(text):
            raise ConfigError(f"{what} is {text!r}", "no path holds a NUL character", "check it")
    except UnicodeEncodeError as error:
        why = "this system cannot write it as a file name"
        raise ConfigError(f"{what} is {text!r}", why, "check it") from error
    return os.path.expanduser(text)
