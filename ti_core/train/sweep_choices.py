"""What varies in a sweep: values of settings in every combination, or a list of settings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import ConfigError, FileError
from ..files.tables import read_table
from ..files.values import read_value
from ..options import SettingValues, about, leaves, nearest, owner

NameRule = Literal["number", "settings"]
"""How variants are called: NAME-1, NAME-2 …, or NAME and the settings that differ."""
MOST_VARIANTS = 256
"""More is a slip of the hand: it would take weeks."""
_HOW = "write NAME=VALUE,VALUE, or NAME=VALUE|VALUE where a value has commas"


@dataclass(frozen=True)
class Choices:
    """Each of `listed` is combined with every combination of the values of `grid`."""

    grid: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """Setting → its values, as text or as JSON and TOML have them."""
    listed: Sequence[Mapping[str, object]] = ()
    """Settings of one variant each."""

    def __add__(self, other: Choices) -> Choices:
        return Choices({**self.grid, **other.grid}, (*self.listed, *other.listed))


def typed_choices(texts: Iterable[str]) -> Choices:
    """From texts like `learning_rate=0.005,0.001`. Raises ConfigError for one of another form."""
    return Choices(dict(map(_typed, texts)))


def _typed(text: str) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"{text!r:.100} is not a setting with its values", "", _HOW)
    parts = values.split("|" if "|" in values else ",")
    return name.strip(), [part.strip() for part in parts]


def choices_in(path: Path) -> Choices:
    """From a JSON or TOML file: a list of settings, or a table with `grid` (setting → values) and
    `variants` (a list of settings). Raises ConfigError."""
    try:
        table = read_table(path)
    except FileError as error:
        raise ConfigError(error.what, error.why, error.fix) from error
    parts = {"variants": table} if isinstance(table, list) else table
    if not isinstance(parts, dict) or not parts or not parts.keys() <= {"grid", "variants"}:
        raise _misread(path, "it has neither a list of settings nor grid and variants")
    grid, listed = parts.get("grid", {}), parts.get("variants", [])
    if not isinstance(grid, dict) or not all(isinstance(one, list) for one in grid.values()):
        raise _misread(path, "grid is not a table of lists of values")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _misread(path, "variants is not a list of tables")
    return Choices(grid, listed)


def _misread(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path} does not describe a sweep", why, "see docs/guides/sweeps.md")


def combinations(choices: Choices, *kinds: type) -> list[SettingValues]:
    """The settings of each variant by name, in order; `kinds` are the config classes that have
    them, whose names and aliases are known.

    Raises ConfigError for an unknown setting, a value that it cannot have, nothing that varies, and
    more than `MOST_VARIANTS`.
    """
    known = _known(kinds)
    grid = {_name(name, known): _values(name, values, known) for name, values in _items(choices)}
    listed = [_settings(one, known) for one in choices.listed] or [{}]
    count = len(listed) * math.prod(map(len, grid.values()))
    if count > MOST_VARIANTS:
        why = f"a sweep has at most {MOST_VARIANTS}"
        raise ConfigError(f"the sweep has {count:,} variants", why, "vary fewer settings or values")
    if not grid and not choices.listed:
        raise ConfigError("the sweep varies nothing", "", _HOW)
    rows = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [{**one, **row} for one in listed for row in rows]


_Known = Mapping[str, tuple[type, "Field[Any]"]]


def _known(kinds: Sequence[type]) -> _Known:
    """Name or alias → the group of a setting, and its field."""
    found: dict[str, tuple[type, Field[Any]]] = {}
    for kind in kinds:
        for path, item in leaves(kind):
            for name in (item.name, *about(item).aliases):
                found[name] = owner(kind, path), item
    return found


def _items(choices: Choices) -> Iterable[tuple[str, Sequence[object]]]:
    return ((name.replace("-", "_"), values) for name, values in choices.grid.items())


def _name(name: str, known: _Known) -> str:
    if name not in known:
        fix = nearest(name, list(known))
        raise ConfigError(f"a sweep cannot vary {name!r:.100}", "there is no such setting", fix)
    return known[name][1].name


def _values(name: str, given: Sequence[object], known: _Known) -> list[object]:
    """Each once, in order."""
    _name(name, known)
    values = [read_value(*known[name], value) for value in given]
    if not values:
        raise ConfigError(f"the sweep has no value for {name}", "", _HOW)
    return list(dict.fromkeys(values))


def _settings(given: Mapping[str, object], known: _Known) -> SettingValues:
    plain = {name.replace("-", "_"): value for name, value in given.items()}
    return {_name(name, known): read_value(*known[name], value) for name, value in plain.items()}
