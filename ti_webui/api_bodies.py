"""What bodies of `/ti/v1` may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ti_core import options
from ti_core.errors import ConfigError, setting
from ti_core.train.config import TrainConfig

from .api_schema import open_settings


def with_overwrite(
    body: options.SettingValues, known: Sequence[str]
) -> tuple[options.SettingValues, bool]:
    """The settings, and whether to replace what is there."""
    only(body, (*known, "overwrite"))
    wanted = dict(body)
    overwrite = wanted.pop("overwrite", False)
    if not isinstance(overwrite, bool):
        raise ConfigError(f"{setting('overwrite')} is {overwrite!r}", "", "give true or false")
    return wanted, overwrite


def settings_in(given: object, kind: type = TrainConfig) -> options.SettingValues:
    """Settings by their names; those that other programs use are known as well."""
    if not isinstance(given, Mapping):
        raise ConfigError("settings is not an object", "", 'write {"settings": {"NAME": VALUE}}')
    names: dict[str, str] = {}
    for _, item in open_settings(kind):
        names |= dict.fromkeys((item.name, *options.about(item).aliases), item.name)
    only(given, tuple(names))
    return {names[name]: value for name, value in given.items()}


def only(given: Mapping[str, object], known: Sequence[str]) -> None:
    """Raise ConfigError for a name that is not known."""
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown setting {name!r}", "", options.nearest(name, known))
