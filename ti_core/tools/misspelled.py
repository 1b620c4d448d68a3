"""Words of a prompt that were probably meant to be the names of embeddings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator

from ..events import Notice
from ..files.names import alike
from ..port.prompt import find_triggers

_WORD = re.compile(r"(?<![\w.-])(embedding:)?([\w.-]*\w)")
_ALIKE = 0.75
"""The share of letters that two names have in common; "my-wrod" and "my-word" have 0.86."""
_SHORTEST = 4
"""Letters of a word that is looked at; shorter ones are like too many others."""

Tokenize = Callable[[str], Collection[object]]
"""A text's tokens."""


def misspelled(text: str, names: Collection[str], tokenize: Tokenize) -> Iterator[Notice]:
    """A warning for every word that is not one token of the model and not one of the names, but
    nearly one of them; and for what ComfyUI's `embedding:` stands before."""
    known = {alike(name): name for name in names}
    rest = " ".join("," if piece.trigger else piece.text for piece in find_triggers(text, names))
    for prefix, word in dict.fromkeys(_WORD.findall(rest)):
        near = difflib.get_close_matches(alike(word), known, n=1, cutoff=_ALIKE)
        if prefix or (near and len(word) >= _SHORTEST and len(tokenize(word)) > 1):
            fix = f"did you mean {known[near[0]]}?" if near else "check the name"
            yield Notice("warning", f"there is no embedding {word}", "its letters are used", fix)


def unnamed(text: str, names: Collection[str]) -> Iterator[Notice]:
    """A warning for every name that the text does not hold."""
    found = {piece.trigger for piece in find_triggers(text, names)}
    for name in names:
        if name not in found:
            fix = "write its name where it is meant"
            yield Notice("warning", f"the prompt does not name {name}", "it has no effect", fix)
