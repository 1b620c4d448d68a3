"""Command lines of other programs: their options replaced by ours, the rest left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import ConfigError
from ..events import Notice
from .options import OPTIONS
from .verdict import Given, Takes, Verdict

_WORDS = ("true", "false", "yes", "no", "1", "0")


def replaced(argv: Sequence[str]) -> tuple[list[str], list[Notice]]:
    """The arguments with options of kohya's and diffusers' scripts written as ours, and what there
    is to say of them. Names have underscores.

    Raises ConfigError for an option that would change what is learned and is not here.
    """
    result: list[str] = []
    notices: list[Notice] = []
    waiting = list(argv)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        entry = OPTIONS.get(name) if word.startswith("--") else None
        if entry is None:
            result.append(word)
            continue
        values = [value] if equals else _taken(waiting, entry.takes, name)
        verdict = entry.rule(" ".join(values))
        notices += judged(name, " ".join(values), verdict)
        result += _typed(verdict)
    return result, notices


def judged(name: str, value: str, verdict: Verdict) -> Iterator[Notice]:
    """What there is to say of an option. Raises ConfigError where it is refused."""
    spelled = f"--{name} {value}".rstrip()
    if verdict.refusal:
        why, fix = verdict.refusal
        raise ConfigError(f"{spelled:.200} cannot be used", why, fix)
    if verdict.remark:
        what = f"{spelled:.200} is replaced" if verdict.settings else f"--{name} has no effect"
        yield Notice("info", what, verdict.remark)


def _taken(waiting: list[str], takes: Takes, name: str) -> list[str]:
    """The values that follow an option, taken from what waits."""
    if takes == "one":
        if not waiting or waiting[0].startswith("--"):
            raise ConfigError(f"--{name}: a value is expected", "", f"write --{name} VALUE")
        return [waiting.pop(0)]
    values: list[str] = []
    most = {"nothing": 0, "perhaps": 1, "many": len(waiting)}[takes]
    while waiting and len(values) < most and not waiting[0].startswith("-"):
        if takes == "perhaps" and waiting[0].lower() not in _WORDS:
            break
        values.append(waiting.pop(0))
    return values


def _typed(verdict: Verdict) -> Iterator[str]:
    for name, value in verdict.settings.items():
        yield from option(name, value)


def option(name: str, value: Given) -> Iterator[str]:
    """A setting of ours as the words of a command line."""
    if isinstance(value, bool):
        yield f"--{name if value else f'no_{name}'}"
    elif isinstance(value, tuple):
        yield from (f"--{name}", *value)
    else:
        yield f"--{name}={value}"
