r"""Regular expressions that people write, matched in bounded time.

Python's engine tries all ways to match: `(a+)+$` takes it years on fifty letters, it cannot be
interrupted, and it holds up every thread of the program meanwhile. So it gets only patterns whose
cost can be told: with k parts of variable length, none inside another repetition, it is a power of
the text's length. Others go to the package `regex`, which has a time limit and comes with
transformers; without it they are refused. A process of its own with a deadline would need a Python
to start, which programs that embed one do not always have.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..errors import ConfigError

T = TypeVar("T")
_MOST_STEPS = 20_000_000
"""About half a second."""
_SECONDS = 0.25
_MOST_LETTERS = 1000
_MOST_REPETITIONS = 10_000
"""At least, one inside another: no engine looks at a clock between them."""
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


class Pattern:
    """A regular expression; `name` is what errors call it."""

    def __init__(self, pattern: str, name: str, ignore_case: bool = False) -> None:
        """Raises ConfigError for what is not a regular expression."""
        self._text, self._what = pattern, f"{name} {pattern[:100]!r}"
        self._flags = re.IGNORECASE if ignore_case else 0
        if len(pattern) > _MOST_LETTERS:
            raise ConfigError(
                self._what, f"it has more than {_MOST_LETTERS} characters", "shorten it"
            )
        try:
            self._compiled = re.compile(pattern, self._flags)
            tree = _parsed(pattern)
            self._power, repetitions = _power(tree), _repetitions(tree)
        except (re.error, OverflowError, RecursionError) as error:
            what = f"{self._what} is not a regular expression"
            raise ConfigError(what, str(error)) from error
        if repetitions > _MOST_REPETITIONS:
            why = f"it asks for {repetitions:,} repetitions"
            raise ConfigError(f"{self._what} cannot be used", why, "ask for fewer")

    def find_all(self, text: str) -> list[str]:
        """Every match; of one with groups, the groups joined."""
        found: Iterable[str | tuple[str, ...]] = self._within(
            text, self._compiled.findall, "findall"
        )
        return [match if isinstance(match, str) else "".join(match) for match in found]

    def replace(self, new: str | Callable[[Any], str], text: str) -> tuple[str, int]:
        """The text with every match replaced, and how many there were. Raises ConfigError for a
        replacement that names a group which is not there."""
        try:
            return self._within(text, lambda t, **k: self._compiled.subn(new, t), "subn", new)
        except (re.error, IndexError) as error:
            raise ConfigError(f"the replacement {new!r} does not fit", str(error)) from error

    def _within(self, text: str, plain: Callable[..., T], name: str, *before: object) -> T:
        if (len(text) + 1) ** (self._power + 1) <= _MOST_STEPS:
            return plain(text)
        why = "it can be matched in too many ways"
        fix = "leave out repetitions inside repetitions, such as (a+)+"
        try:
            import regex
        except ImportError as error:
            fix = f"{fix}, or install the package regex, which has a time limit"
            raise ConfigError(f"{self._what} cannot be used", why, fix) from error
        limited = regex.compile(self._text, self._flags | regex.VERSION0)
        try:
            found: T = getattr(limited, name)(*before, text, timeout=_SECONDS)
        except TimeoutError as error:
            raise ConfigError(f"{self._what} takes too long", why, fix) from error
        except regex.error as error:
            raise ConfigError(f"the replacement {before!r} does not fit", str(error)) from error
        return found


def _parsed(pattern: str) -> Any:
    """Python's own parse tree."""
    parser = getattr(re, "_parser", None) or importlib.import_module("sre_parse")
    return parser.parse(pattern)


def _repetitions(tree: Any) -> int:
    """The least number of repetitions that a pattern asks for."""
    most = 1
    for kind, value in tree:
        parts, _, _ = _inside(str(kind), value, False)
        times = max(1, value[0]) if str(kind) in _REPEATS else 1
        most = max(most, times * max(map(_repetitions, parts), default=1))
    return most


def _power(tree: Any, repeated: bool = False) -> int:
    """How many parts may be of several lengths or kinds; very many if such a part is repeated."""
    total = 0
    for kind, value in tree:
        parts, variable, inner = _inside(str(kind), value, repeated)
        total += variable * (100 if repeated else 1)
        total += sum(_power(part, repeated or inner) for part in parts)
    return total


def _inside(kind: str, value: Any, repeated: bool) -> tuple[list[Any], bool, bool]:
    """(parts of a node, whether it can match in several ways, whether its parts are repeated)"""
    if kind in _REPEATS:
        low, high, part = value
        return [part], low != high or (repeated and low > 1), high > 1
    if kind == "BRANCH":
        return list(value[1]), True, False
    if kind == "GROUPREF_EXISTS":
        return [part for part in value[1:] if part is not None], True, False
    if kind == "SUBPATTERN":
        return [value[-1]], False, False
    if kind in ("ASSERT", "ASSERT_NOT"):
        return [value[1]], False, False
    return ([value] if kind == "ATOMIC_GROUP" else []), False, False
