"""Paths that people write, and folders that nothing may lead out of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PureWindowsPath

from ..errors import ConfigError, setting
from ..paths import given_path
from .names import is_device

_MOST_CHARACTERS = 4000


def read_path(text: str, windows: bool = os.name == "nt", what: str = "") -> Path:
    """The absolute path that somebody wrote, spaces and quotes around it taken off; links are not
    followed, `~` is the user's own folder. `what` names it in errors.

    Raises ConfigError for `.`, the folder that the program runs in, which no one means who is
    elsewhere, and for what is not a path: an address such as file://, a zero byte or another sign
    that no file name has, a device of Windows such as NUL, half of a character.
    """
    text = os.path.expanduser(text.strip(" \"'"))
    trouble = _trouble(text, windows)
    fix = "give the path of a file or folder"
    if not text.strip():
        raise ConfigError(f"{what} is empty" if what else "no path is given", "", fix)
    if trouble:
        shown = f"{what}: {text[:200]!r}" if what else repr(text[:200])
        raise ConfigError(f"{shown} is not a path", trouble, fix)
    return Path(os.path.abspath(text))


def present_folder(text: str, name: str) -> Path:
    """A folder that is read. Raises ConfigError when it is blank or not there; `name` is the
    setting that names it."""
    path = given_path(text, setting(name))
    if path.is_dir():
        return path
    why = "it is a file" if path.exists() else ""
    raise ConfigError(f"there is no folder {text}", why, f"check {setting(name)}")


def present_file(text: str, name: str) -> Path:
    """The same for a file."""
    path = given_path(text, setting(name))
    if path.is_file():
        return path
    raise ConfigError(f"there is no file {text}", "", f"check {setting(name)}")


def _trouble(text: str, windows: bool) -> str:
    if len(text) > _MOST_CHARACTERS:
        return "it is too long"
    if os.path.normpath(text.strip()) == os.curdir:
        return "that is the folder in which the program runs"
    if re.search(r"[\0-\x1f\x7f]", text):
        return "it contains a character that file names cannot have"
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        return "it is an address"
    if re.search("[\ud800-\udc7f\udd00-\udfff]", text):
        return "it contains an incomplete Unicode character"
    if windows and any(map(is_device, PureWindowsPath(text).parts)):
        return "it names a device"
    return ""


def is_within(path: Path, roots: Iterable[Path]) -> bool:
    """Whether a path is in one of some folders: as it is written, and with all links followed.

    What is outside as it is written is never touched: to look at \\\\computer\\folder alone sends
    that computer a password's hash.
    """
    folders = [form for root in roots for form in (_absolute(root), _real(root)) if form]
    written, real = _absolute(path), None
    if written and _below_one(written, folders):
        real = _real(path)
    return bool(real and _below_one(real, folders))


def is_written_within(path: Path, roots: Iterable[Path]) -> bool:
    """The same for a path as it is written; where its links lead does not matter."""
    written = _absolute(path)
    return written is not None and _below_one(written, filter(None, map(_absolute, roots)))


def ways_out(folder: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """Links in a folder and in the folders directly in it that lead out of all of `roots`."""
    for entry in _entries(folder):
        if entry.is_symlink() and not is_within(entry, roots):
            yield entry
        elif entry.is_dir():
            yield from (e for e in _entries(entry) if e.is_symlink() and not is_within(e, roots))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # anyone who reads it next says why it cannot be read


def _absolute(path: Path) -> str | None:
    try:
        return os.path.normcase(os.path.abspath(path))
    except ValueError:
        return None


def _real(path: Path) -> str | None:
    try:
        return os.path.normcase(path.resolve())
    except (OSError, RuntimeError, ValueError):  # a ring of links, a zero byte
        return None


def _below_one(path: str, folders: Iterable[str]) -> bool:
    return any(_common(path, folder) == folder for folder in folders)


def _common(path: str, folder: str) -> str | None:
    try:
        return os.path.commonpath([path, folder])
    except ValueError:  # another drive
        return None
