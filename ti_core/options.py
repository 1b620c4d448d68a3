"""Settings as frozen dataclasses whose fields say everything that an interface needs.

A field made by `option()` carries its help text, label, unit, range and the names that other
programs use for it; its type says which values there are, a `Literal` which choices. Command lines,
forms, node widgets and saved settings are all made from that, so a setting is described in one
place only. A class attribute `title` names a group of settings in interfaces.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError, setting
from .likeness import closest
from .paths import given_path, settled_path

if TYPE_CHECKING:
    from _typeshed import DataclassInstance as Config

T = TypeVar("T")
Leaf = tuple[tuple[str, ...], Field[object]]
"""(path, field) of a setting."""
PathKind = Literal[
    "input folder", "output folder", "dataset file", "text file", "file", "embeddings", "model"
]
"""A text file is named in place of the text itself, or of a text that comes with the program;
embeddings are a file of one, or their folder."""
SettingValues = dict[str, Any]
"""Settings by name, flat or in groups, not checked yet: as JSON and forms have them."""
MOST_LETTERS = 10_000
"""In a setting that is text."""


@dataclass(frozen=True)
class Option:
    """What an interface needs to know about one setting."""

    help: str
    label: str
    unit: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    """The smallest and the largest value; None is without end."""
    aliases: tuple[str, ...] = ()
    """The names that other programs (diffusers, A1111) use for the same thing."""
    advanced: bool = False
    """Interfaces fold it away."""
    recorded: bool = True
    """Part of what makes the result; written into the embedding. Never true for a path."""
    path: PathKind | None = None
    """What the value names, if that is a file or folder: `ti_webui.places` decides by it what a
    page and the API may open. Blank is "not given", and refused where the default is a path;
    `check` writes the user's own folder for `~`."""
    bare: str = ""
    """What an option means on a command line that is typed without a value; "" if it needs one."""
    quiet: bool = False
    """Recorded only where it is not at its default, so that a new setting changes no file."""


def option(default: Any = MISSING, help: str = "", *, label: str, **about: Any) -> Any:
    """A dataclass field that describes itself; `about` holds the other fields of `Option`."""
    return field(default=default, metadata={"option": Option(help, label, **about)})


unrecorded = functools.partial(option, recorded=False)
"""An option that is not part of what makes the result, or that names a path."""
newer = functools.partial(option, quiet=True)
"""An option that the first version did not have: files name it only where it is not the default."""


_hints_of: Callable[[type], dict[str, Any]] = functools.cache(get_type_hints)
"""Config class → name of each field → its type."""


def group(kind: type) -> Any:
    """A dataclass field that holds a group of further settings, all at their defaults."""
    return field(default_factory=kind)


def about(item: Field[object]) -> Option:
    """The description that `option()` put on a field."""
    found: Option = item.metadata["option"]
    return found


def _leaves(kind: type, path: tuple[str, ...]) -> Iterator[Leaf]:
    hints = _hints_of(kind)
    for item in fields(kind):
        if is_dataclass(hints[item.name]):
            yield from _leaves(hints[item.name], (*path, item.name))
        else:
            yield (*path, item.name), item


leaves: Callable[[type], tuple[Leaf, ...]] = functools.cache(lambda kind: tuple(_leaves(kind, ())))
"""Every setting of a config class, groups opened, in order."""


def value_type(kind: type, item: Field[object]) -> tuple[type, bool]:
    """(type without None, whether None is allowed) of a field; `str` for a field with choices."""
    hint, optional = _hint(kind, item)
    return (str if get_origin(hint) is Literal else hint), optional


def choices_of(kind: type, item: Field[object]) -> tuple[str, ...]:
    """The values of a field whose type is a `Literal`, in order; empty for others."""
    hint, _ = _hint(kind, item)
    return get_args(hint) if get_origin(hint) is Literal else ()


def _hint(kind: type, item: Field[object]) -> tuple[Any, bool]:
    hint = _hints_of(kind)[item.name]
    if get_origin(hint) in (Union, types.UnionType):
        inner = [arg for arg in get_args(hint) if arg is not type(None)]
        return inner[0], True
    return hint, False


def owner(kind: type, path: Sequence[str]) -> type:
    """The dataclass in which the last name of `path` is a field."""
    for name in path[:-1]:
        kind = _hints_of(kind)[name]
    return kind


def title_of(kind: type) -> str:
    """What interfaces write above a group of settings."""
    return str(getattr(kind, "title", ""))


def check(config: Config) -> None:
    """Raise ConfigError for the first value out of its type, range or choices."""
    for item in fields(config):
        if "option" in item.metadata:
            if about(item).path not in (None, "text file"):
                _settle_path(config, item)
            check_value(type(config), item, getattr(config, item.name))


@dataclass(frozen=True)
class Checked:
    """The base of a config class whose values need no check beyond `check`."""

    def __post_init__(self) -> None:
        check(self)


def require_one(config: object, one: str, other: str) -> None:
    """Raise ConfigError when both of two settings are on."""
    if getattr(config, one) and getattr(config, other):
        raise ConfigError(f"{setting(one)} and {setting(other)} are both set", "", "choose one")


def require_order(config: object, low: str, high: str) -> None:
    """Raise ConfigError when the setting `low` is above the setting `high`."""
    one, two = getattr(config, low), getattr(config, high)
    if one > two:
        why = f"that is more than {setting(high)}, {two}"
        raise ConfigError(f"{setting(low)} is {one}", why, "exchange them")


def _settle_path(config: Config, item: Field[object]) -> None:
    name, value = setting(item.name), getattr(config, item.name)
    settled: object = value
    if isinstance(value, str):
        settled = settled_path(value, name)
    elif isinstance(value, tuple):
        settled = tuple(str(given_path(each, name)) for each in value)
    if settled == "" and item.default:
        raise ConfigError(f"{name} is empty", "", f"give a path, such as {item.default}")
    object.__setattr__(config, item.name, settled)


def check_value(kind: type, item: Field[object], value: object) -> None:
    """Raise ConfigError for a value out of its type, range or choices."""
    known = about(item)
    wanted, optional = value_type(kind, item)
    if value is None and optional:
        return
    if isinstance(value, str) and len(value) > MOST_LETTERS:
        what = f"{setting(item.name)} has {len(value):,} characters"
        raise ConfigError(what, "", f"give at most {MOST_LETTERS:,}")
    choices = choices_of(kind, item)
    if choices and value not in choices:
        raise ConfigError(
            f"{setting(item.name)} is {value!r}", "", f"choose one of {', '.join(choices)}"
        )
    if wanted in (int, float):
        _check_number(item.name, known, value, wanted)
    elif wanted in (bool, str) and not isinstance(value, wanted):
        expected = "text" if wanted is str else "true or false"
        raise ConfigError(f"{setting(item.name)} is {value!r}", "", f"give {expected}")
    elif isinstance(value, str) and not known.path and re.search("[\ud800-\udfff]", value):
        why = "it contains an incomplete Unicode character or a byte that is not UTF-8"
        raise ConfigError(f"{setting(item.name)} is {value!r}", why, "write it again")


def _check_number(name: str, known: Option, value: object, wanted: type) -> None:
    kinds = (int,) if wanted is int else (int, float)
    endless = isinstance(value, float) and not math.isfinite(value)
    if not isinstance(value, kinds) or isinstance(value, bool) or endless:
        told = "empty" if value is None else repr(value)  # a form's field that was cleared
        raise ConfigError(f"{setting(name)} is {told}", "", f"give {_kind_of_number(wanted)}")
    low, high = known.limits
    if low is not None and value < low:
        fix = f"the smallest possible value is {low:g}"
    elif high is not None and value > high:
        fix = f"the largest possible value is {high:g}"
    else:
        return
    raise ConfigError(f"{setting(name)} is {value}", "", fix)


def _kind_of_number(wanted: type) -> str:
    return "a whole number" if wanted is int else "a number"


def nearest(name: str, known: Sequence[str]) -> str:
    """A remedy for an unknown name: "did you mean …?" with the closest known one, if any is.

    Close is a slip of the hand in every fifth letter or less, or a name that all words of the
    unknown one (two or more) are in: batch_size, train_batch_size. Letters in common say little
    about names that are made of the same few words.
    """
    close = closest(name, known)
    return f"did you mean {close}?" if close else ""


def setting_names(spelled: Callable[[str, Option], str], *kinds: type) -> dict[str, str]:
    """What a surface calls each setting of some config classes, for `with_names`."""
    every = (leaf for kind in kinds for leaf in leaves(kind))
    return {path[-1]: spelled(path[-1], about(item)) for path, item in every}


def with_names(text: str, name_of: Callable[[str], str | None]) -> str:
    """The text of an error, notice or finding with a surface's names in place of `setting()`s; one
    for which it has no name stays as it is."""
    return re.sub(r"`(\w+)`", lambda found: name_of(found[1]) or found[0], text)


def to_dict(config: Config) -> SettingValues:
    """A config as nested dictionaries of JSON values."""
    return dataclasses.asdict(config)


def from_dict(kind: type[T], values: SettingValues) -> T:
    """A config from nested dictionaries.

    Raises ConfigError for an unknown key (with the nearest known one) or a bad value.
    """
    values, hints = _in_place(kind, values), _hints_of(kind)
    unknown = [key for key in values if key not in hints]
    if unknown:
        raise ConfigError(f"unknown setting {unknown[0]!r}", "", nearest(unknown[0], list(hints)))
    return kind(**{key: _from_json(hints[key], value) for key, value in values.items()})


def _in_place(kind: type, values: SettingValues) -> SettingValues:
    """Settings that an older version kept in another group, in the group where they are now.
    A class may list them as `moved`: (name, old group, new group)."""
    for name, old, new in getattr(kind, "moved", ()):
        group = values.get(old)
        if isinstance(group, dict) and name in group:
            rest = {key: value for key, value in group.items() if key != name}
            values = {**values, old: rest, new: {name: group[name], **_group(values.get(new, {}))}}
    return values


def _from_json(hint: object, value: object) -> object:
    if is_dataclass(hint):
        return from_dict(hint, _group(value))  # type: ignore[arg-type]
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)  # web forms know no whole numbers
    if hint is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value)  # a learning rate may be written as a number
    return tuple(value) if isinstance(value, list) else value


def make_config(kind: type[T], typed: SettingValues, saved: SettingValues | None = None) -> T:
    """A config from typed options (flat) laid over saved settings (nested, as in a file)."""
    values = _copied(_in_place(kind, _group(saved or {})))
    for path, item in leaves(kind):
        if item.name in typed:
            place = values
            for name in path[:-1]:
                place = _group(place.setdefault(name, {}))
            place[item.name] = _as_tuple(typed[item.name])
    return from_dict(kind, _with_groups(kind, values))


def _group(value: Any) -> SettingValues:
    if not isinstance(value, dict):
        raise ConfigError(f"settings hold {value!r}", "a group of settings is expected")
    return value


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _copied(values: SettingValues) -> SettingValues:
    return {k: _copied(v) if isinstance(v, dict) else v for k, v in values.items()}


def _with_groups(kind: type, values: SettingValues) -> SettingValues:
    """Every group present, so that its checks run."""
    for name, hint in _hints_of(kind).items():
        if is_dataclass(hint):
            values.setdefault(name, {})
    return values


def recorded(config: Config) -> SettingValues:
    """The settings that make the result, flat by name: no paths, no preview or log settings."""
    values, result = flat(config), {}
    for _, item in leaves(type(config)):
        value, known = values[item.name], about(item)
        if known.recorded and (not known.quiet or value != item.default):
            result[item.name] = value
    return result


def flat(config: Config) -> SettingValues:
    """Every setting by its own name, groups opened."""
    result: SettingValues = {}
    for path, _ in leaves(type(config)):
        value: object = config
        for name in path:
            value = getattr(value, name)
        result[path[-1]] = value
    return result
