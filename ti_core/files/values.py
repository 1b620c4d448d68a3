"""Values of settings as other programs write them: texts, or what JSON and TOML have."""

from __future__ import annotations

import re
from dataclasses import Field

from ..errors import ConfigError, setting
from ..options import check_value, choices_of, value_type

_SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_resolution(text: str) -> tuple[int, int]:
    """kohya's `512` or `448,640` (width, height); also `448x640`. Raises ValueError."""
    parts = [int(part) for part in re.split(r"[,x]", text)]
    if len(parts) == 1:
        return parts[0], parts[0]
    if len(parts) != 2:
        raise ValueError(text)
    return parts[0], parts[1]


def read_value(kind: type, item: Field[object], given: object) -> object:
    """The value of a setting of a config class. Raises ConfigError for what cannot be one."""
    wanted, _ = value_type(kind, item)
    try:
        value = _of_type(wanted, given)
    except (TypeError, ValueError, OverflowError):
        what = f"{setting(item.name)} is {given!r:.100}"
        raise ConfigError(what, "it cannot be read", "give it again") from None
    if isinstance(value, str) and choices_of(kind, item):
        spelled = {choice.lower(): choice for choice in choices_of(kind, item)}
        value = spelled.get(value.lower(), value)
    check_value(kind, item, value)
    return value


def _of_type(wanted: object, given: object) -> object:
    if wanted is bool:
        return given if isinstance(given, bool) else _SWITCHES[str(given).lower()]
    if isinstance(given, (bool, dict)) or given is None:
        raise TypeError(given)
    if wanted == tuple[int, int]:
        text = ",".join(map(str, given)) if isinstance(given, (list, tuple)) else str(given)
        return read_resolution(text.replace(" ", ""))
    if wanted == tuple[str, ...]:
        return tuple(map(str, given)) if isinstance(given, (list, tuple)) else (str(given),)
    if isinstance(given, (list, tuple)):
        raise TypeError(given)
    if wanted is int:
        return given if isinstance(given, int) else _whole(given)
    return float(str(given)) if wanted is float else str(given)


def _whole(given: object) -> int:
    number = float(str(given))
    if not number.is_integer():
        raise ValueError(given)
    return int(number)
