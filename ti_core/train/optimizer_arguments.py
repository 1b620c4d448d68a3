"""What an optimizer is told beside its rate: kohya's `optimizer_args`, as in "betas=0.9,0.99"."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..errors import ConfigError, setting
from ..options import nearest

Argument = float | bool | tuple[float, ...]
"""The value of an argument; the default of an entry tells its kind."""


def read_arguments(text: str, optimizer: str, known: Mapping[str, Argument]) -> dict[str, Argument]:
    """Every argument of an optimizer: those of "name=value name=value", others at their defaults.

    Raises ConfigError for a name that it does not have, or a value of another kind.
    """
    found = dict(known)
    for part in text.split():
        name, _, value = part.partition("=")
        if name not in known:
            takes = ", ".join(known) or "no arguments"
            what = f"{setting('optimizer_args')} names {name!r}"
            raise ConfigError(what, f"{optimizer} takes {takes}", nearest(name, list(known)))
        found[name] = _value(name, value, known[name])
    return found


def _value(name: str, text: str, default: Argument) -> Argument:
    if isinstance(default, bool):
        answers = {"true": True, "false": False}
        if text.lower() in answers:
            return answers[text.lower()]
        raise _unreadable(name, text, "True or False")
    count = len(default) if isinstance(default, tuple) else 1
    try:
        numbers = tuple(float(part) for part in text.strip("()").split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        wanted = "a number" if count == 1 else f"{count} numbers, as in 0.9,0.99"
        raise _unreadable(name, text, wanted)
    return numbers if isinstance(default, tuple) else numbers[0]


def _unreadable(name: str, text: str, wanted: str) -> ConfigError:
    return ConfigError(f"{setting('optimizer_args')} has {name}={text}", "", f"give {wanted}")
