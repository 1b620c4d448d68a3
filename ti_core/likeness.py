"""Which of some names a mistyped one was meant to be."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LETTERS_OF_A_SLIP = 5
"""One slip is forgiven for so many letters, and one in shorter names."""
_LONGEST = 100
"""Letters of a name that somebody mistyped."""


def closest(name: str, known: Sequence[str]) -> str:
    """The known name that is meant by `name`; "" where none is."""
    if len(name) > _LONGEST:
        return ""
    most = max(1, len(name.strip("-")) // _LETTERS_OF_A_SLIP)
    near = [(slips(name.lower(), each.lower()), each) for each in known if len(each) <= _LONGEST]
    near = [found for found in near if found[0] <= min(most, len(found[1]) - 1)]
    return min(near)[1] if near else _with_the_words(name, known)


def _with_the_words(name: str, known: Sequence[str]) -> str:
    """The shortest known name that has all words of this one."""
    words = _words(name)
    found = [each for each in known if len(words) > 1 and words < _words(each)]
    return min(found, key=len, default="")


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[\W_]+", name.lower()) if word}


def slips(one: str, other: str) -> int:
    """Letters that are missing, too many, wrong, or exchanged with their neighbour (Damerau 1964,
    each pair of neighbours exchanged once at most)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            exchanged = i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted
            row.append(min(cost, last[j - 2] + 1) if exchanged else cost)
    return row[-1]
