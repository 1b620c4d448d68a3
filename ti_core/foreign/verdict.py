"""What becomes of an option of another program: a setting of ours, a remark, or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Takes = Literal["nothing", "one", "many", "perhaps"]
"""How many values follow an option on a command line; "perhaps" is one or none."""
Given = str | bool | tuple[str, ...]
"""A value as it is typed; True for a switch."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of an option with its value."""

    settings: Mapping[str, Given] = field(default_factory=dict)
    """Ours, by name, as they would be typed."""
    remark: str = ""
    """Why it has no effect, or what takes its place; "" where there is nothing to say."""
    refusal: tuple[str, str] | None = None
    """(why, what to do) where to leave it out would change what is learned."""


Found = tuple[str, Verdict]
"""A name of theirs, and what becomes of it."""
Rule = Callable[[str], Verdict]
"""The value that was given ("" for a switch, several joined by spaces) → what becomes of it."""


@dataclass(frozen=True)
class Entry:
    """An option of another program."""

    takes: Takes
    rule: Rule


def needless(takes: Takes, why: str) -> Entry:
    """An option that has no effect here, whatever its value: `why`."""
    return Entry(takes, lambda value: Verdict(remark=why))


def refused(takes: Takes, why: str, fix: str, same: Sequence[str] = ()) -> Entry:
    """An option that cannot be left out without changing what is learned, but for the values
    (`same`) with which it changes nothing in the other program either."""

    def rule(value: str) -> Verdict:
        unchanged = any(_equal(value, each) for each in same)
        return Verdict() if unchanged else Verdict(refusal=(why, fix))

    return Entry(takes, rule)


def _equal(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one.lower() == other.lower()
