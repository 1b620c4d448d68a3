"""Files of presets: settings to begin with, and for each value the reason or the source.

A file has the settings of every preset under "common", and under "presets" what each has
otherwise: {"label", "about", "settings", "by_family": {family: settings}, "more"}, where settings
are {name: {"value", "why"}}. A preset changes common settings only: all of them set the same ones,
and going from one to another leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import Field, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError, FileError
from ..families import FAMILIES, Family
from ..options import SettingValues, check_value, leaves, owner


class Given(NamedTuple):
    """The value of a setting."""

    value: Any
    why: str
    """Evidence, source, or that it is a rule of thumb."""


GivenValues = Mapping[str, Given]
"""Setting → its value."""


@dataclass(frozen=True)
class Preset:
    """A preset."""

    label: str
    about: str
    """For whom, and why these settings."""
    given: GivenValues
    given_by_family: Mapping[str, GivenValues] = field(default_factory=dict)
    """`Family.id` → settings that differ for it."""
    given_more: GivenValues = field(default_factory=dict)
    """Settings that others leave to the user. A form does not fill them in, since choosing another
    preset would not take them back."""

    @cached_property
    def settings(self) -> SettingValues:
        """Setting → value, where the family of the model does not matter or is unknown."""
        return _values(self.given)

    @cached_property
    def more(self) -> SettingValues:
        """Setting → value, of `given_more`."""
        return _values(self.given_more)

    def settings_for(self, family: Family | None) -> SettingValues:
        """Setting → value."""
        differing = self.given_by_family.get(family.id, {}) if family else {}
        return {**self.settings, **_values(differing)}


def _values(given: GivenValues) -> SettingValues:
    return {name: each.value for name, each in given.items()}


def read_presets(path: Path, kind: type, names: Collection[str]) -> dict[str, Preset]:
    """Name → preset, from a file about settings of the config class `kind`, which must have just
    these presets.

    Raises FileError for a file that cannot be read, ConfigError for what does not belong in one.
    """
    document = _exactly(_document(path), "the file", {"common", "presets"})
    common = _given(document["common"], kind)
    presets = _exactly(document["presets"], "presets", names)
    return {name: _preset(name, presets[name], common, kind) for name in presets}


def _document(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(
            f"{path.name} cannot be read", str(error), "install the program again"
        ) from None


def _preset(name: str, entry: object, common: GivenValues, kind: type) -> Preset:
    held = _exactly(entry, name, {"label", "about", "settings"}, {"by_family", "more"})
    own = _given(held["settings"], kind, common)
    families = _exactly(held.get("by_family", {}), f"by_family of {name}", (), FAMILIES)
    by_family = {family: _given(each, kind, common) for family, each in families.items()}
    more = _given(held.get("more", {}), kind)
    return Preset(_text(held, "label"), _text(held, "about"), {**common, **own}, by_family, more)


def _given(entry: object, kind: type, within: Collection[str] | None = None) -> GivenValues:
    """Settings of `kind`; only those `within`, if that is given."""
    known = _known(kind)
    found = _exactly(entry, "settings", (), known if within is None else within)
    given = {name: _one(name, each) for name, each in found.items()}
    for name, each in given.items():
        check_value(*known[name], each.value)
    return given


@cache
def _known(kind: type) -> dict[str, tuple[type, Field[object]]]:
    """Setting → the class that has it, and its field."""
    return {path[-1]: (owner(kind, path), item) for path, item in leaves(kind)}


def _one(name: str, entry: object) -> Given:
    held = _exactly(entry, name, {"value", "why"})
    value = held["value"]
    return Given(tuple(value) if isinstance(value, list) else value, _text(held, "why"))


def _text(held: Mapping[str, Any], key: str) -> str:
    text = held[key]
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"presets: {key!r} is {text!r}", "", "write a sentence")
    return text


def _exactly(
    entry: object, what: str, needed: Collection[str], possible: Collection[str] = ()
) -> Mapping[str, Any]:
    """An object with the keys that are needed, and no others but those that are possible."""
    if not isinstance(entry, dict):
        raise ConfigError(f"presets: {what} is {entry!r}", "an object is expected")
    missing, unknown = set(needed) - set(entry), set(entry) - set(needed) - set(possible)
    for fault, keys in (("lacks", missing), ("has the unknown", unknown)):
        if keys:
            raise ConfigError(f"presets: {what} {fault} {', '.join(sorted(keys))}")
    return entry
