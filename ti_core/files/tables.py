"""Tables of settings in files of strangers: TOML by its ending, else JSON."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from ..errors import ConfigError, FileError
from .text_file import read_text

_MOST_PARTS, _MOST_BITS = 8, 64
_TEXTS = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*''', re.DOTALL
)
_PART = re.compile(r"[ \t]*[\w-]+[ \t]*")
"""Of a key in TOML, whose texts and comments are gone."""
_BACKSLASH = re.compile(r'"[^"\n]*\\')
PATHS = "write paths with / between their parts, or, in TOML, between single quotes"


def read_table(path: Path) -> object:
    """The value in a TOML or JSON file. Raises FileError for what cannot be read, ConfigError for
    TOML where Python has no reader."""
    return table_of(read_text(path), path)


def table_of(text: str, path: Path) -> object:
    """The value in the text of a TOML or JSON file. Raises as `read_table` does."""
    try:
        table = _toml(text) if path.suffix.lower() == ".toml" else json.loads(text)
        _require_short_numbers(table)
    except (ValueError, RecursionError) as error:
        fix = PATHS if _BACKSLASH.search(text) else ""
        raise FileError(f"cannot read {path}", str(error), fix) from error
    return table


def _toml(text: str) -> object:
    """Raises ValueError. Python has a reader since 3.11; hosts with 3.10 may lack tomli."""
    try:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
    except ModuleNotFoundError as error:
        why = "Python 3.10 needs the package tomli for it"
        raise ConfigError("TOML cannot be read", why, "install tomli, or write JSON") from error
    _require_short_keys(text)
    return tomllib.loads(text)


def _require_short_keys(text: str) -> None:
    """The reader takes memory for every beginning of a key, and a key may have any number of
    parts: `a.a.a.…`. Raises ValueError."""
    parts = 0
    for piece in _TEXTS.sub("text", text).split("."):
        parts = parts + 1 if _PART.fullmatch(piece) else 0
        if parts > _MOST_PARTS:
            raise ValueError(f"a key has more than {_MOST_PARTS} parts")


def _require_short_numbers(table: object) -> None:
    """TOML's whole numbers have 64 bits; the readers take any. Raises ValueError."""
    waiting: list[object] = [table]
    while waiting:
        value = waiting.pop()
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise ValueError(f"a number in it has {value.bit_length():,} bits")
        waiting += value.values() if isinstance(value, dict) else ()
        waiting += value if isinstance(value, list) else ()
