"""Words of a prompt that were probably meant to be the names of embeddings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from ..events import Notice
from ..families import label_of
from ..files.names import alike
from ..port.prompt import find_triggers
from .words import Known, Missed

PREFIX = "embedding:"
"""What ComfyUI wants before a name."""
_WORD = re.compile(rf"(?<![\w.-])(?P<prefix>{PREFIX})?(?P<word>[\w./-]*\w)", re.IGNORECASE)
_ALIKE = 0.75
"""The share of letters that two names have in common; "my-wrod" and "my-word" have 0.86."""
_LETTERS = "its letters are used"
_LEFT_OUT = "the name is left out"
"""Where ComfyUI has read `embedding:` and finds no file."""
_SHORTEST = 4
"""Letters of a word that is looked at; shorter ones are like too many others."""

Tokenize = Callable[[str], Collection[object]]
"""A text's tokens."""
Span = tuple[int, int]
"""Characters of a prompt: the first, and the one behind the last."""


def misspelled(
    text: str, names: Collection[str], tokenize: Tokenize, others: Sequence[Known] = ()
) -> Iterator[Missed]:
    """As `missed`, where every one of the names is used, and the `others` are not."""
    known = [*map(Known, names), *others]
    yield from missed(text, _spans(text, names), known, tokenize)


def missed(
    text: str,
    used: Sequence[Span],
    known: Sequence[Known],
    tokenize: Tokenize,
    widths: Sequence[int] = (),
    prefix: str = "",
) -> Iterator[Missed]:
    """Every word outside of the spans that are `used` which is the name of an embedding, but not
    used; or nearly one, and not one token of the model; or what `embedding:` stands before. Each
    word once.

    `widths` are those of the model's text encoders; `prefix` is what the program wants before a
    name.
    """
    look = _Look(text, known, tokenize, tuple(sorted(widths)), prefix)
    told: set[str] = set()
    for start, end in _spans(text, [one.name for one in known]):
        if not _overlaps((start, end), used):
            used = [*used, (start, end)]
            yield from _first(look.named(start, end), told)
    for match in _WORD.finditer(text):
        if not _overlaps(match.span("word"), used):
            yield from _first(look.word(match), told)


def unnamed(text: str, names: Collection[str]) -> Iterator[Notice]:
    """A warning for every name that the text does not hold."""
    found = {piece.trigger for piece in find_triggers(text, names)}
    for name in names:
        if name not in found:
            fix = "write its name where it is meant"
            yield Notice("warning", f"the prompt does not name {name}", "it has no effect", fix)


def _first(one: Missed | None, told: set[str]) -> Iterator[Missed]:
    if one and one.text not in told:
        told.add(one.text)
        yield one


def _overlaps(span: Span, others: Sequence[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def _spans(text: str, names: Collection[str]) -> list[Span]:
    pieces = find_triggers(text, names)
    found = [piece.origin for piece in pieces if piece.trigger and piece.origin]
    return [(origin[0], origin[-1] + 1) for origin in found]


@dataclass(frozen=True)
class _Look:
    """One prompt, looked at word by word."""

    text: str
    known: Sequence[Known]
    tokenize: Tokenize
    widths: tuple[int, ...]
    prefix: str

    def named(self, start: int, end: int) -> Missed | None:
        """What is the matter with a name that stands there whole, and is not used."""
        word = self.text[start:end]
        meant = [one for one in self.known if alike(one.name) == alike(word)]
        why, fix = self._trouble(meant)
        if why:
            return Missed(word, start, end, f"the embedding {word} is not used", why, fix)
        if not self.prefix:
            return None
        what, (why, fix) = f"{word} is not used as an embedding", self._unread(start, end, meant[0])
        return Missed(word, start, end, what, why, fix)

    def _trouble(self, meant: Sequence[Known]) -> tuple[str, str]:
        """(why, what to do) where none of the embeddings of this name fits."""
        if all(one.trouble for one in meant):
            return meant[0].trouble, ""
        fitting = [one for one in meant if not one.tables or self._fits(one)]
        if fitting or not self.widths:
            return "", ""
        family = label_of(meant[0].tables) or "an unknown family"
        wide = " and ".join(map(str, self.widths))
        fix = "use an embedding of this family"
        return f"it is for {family}, and this model's words are {wide} wide", fix

    def _fits(self, one: Known) -> bool:
        if self.prefix:  # ComfyUI takes the tables that fit
            return not one.trouble and bool(set(one.tables.values()) & set(self.widths))
        return not one.trouble and tuple(sorted(one.tables.values())) == self.widths

    def _unread(self, start: int, end: int, meant: Known) -> tuple[str, str]:
        """What becomes of a name whose prefix is missing, or not read, or is followed by another
        one; and what to write."""
        place = f"{meant.place}/" if meant.place else ""
        before = self.text[:start]
        asked = re.search(rf"(?P<blank>^|.)(?P<prefix>{self.prefix})[^\s]*$", before, re.I | re.S)
        if asked is None:
            return _LETTERS, f"write {self.prefix}{meant.name}"
        if asked["prefix"] != self.prefix:
            return _LETTERS, f"write {self.prefix} in lower case"
        if asked["blank"] not in ("", "(") and not asked["blank"].isspace():
            return _LETTERS, f"write a space before {self.prefix}"
        rest = re.match(r"[^\s)\]]*", self.text[end:])
        if rest and rest[0].strip(",") not in ("", ".safetensors", ".pt", ".bin"):
            strength = f"({self.prefix}{meant.name}:1.2)"
            return _LEFT_OUT, f"write a space behind {meant.name}; strength is {strength}"
        fix = f"write {self.prefix}{place}{meant.name}, with the name and folder of its file"
        return _LEFT_OUT, fix

    def word(self, match: re.Match[str]) -> Missed | None:
        """What is the matter with a word that holds no name as a whole."""
        word, (start, end) = match["word"], match.span("word")
        names = {alike(one.name): one.name for one in self.known if not one.trouble}
        what = f"there is no embedding {word}"
        why = _LEFT_OUT if self.prefix and match["prefix"] else _LETTERS
        unusual = len(word) >= _SHORTEST and len(self.tokenize(word)) > 1
        if unusual and (inside := self._inside(alike(word), names)):
            fix = f"did you mean {inside}? It must stand apart from other letters, digits, - and _"
            return Missed(word, start, end, what, why, fix)
        near = difflib.get_close_matches(alike(word), names, n=1, cutoff=_ALIKE)
        if match["prefix"] or (near and unusual):
            fix = f"did you mean {names[near[0]]}?" if near else "check the name"
            return Missed(word, start, end, what, why, fix)
        return None

    def _inside(self, word: str, names: Collection[str]) -> str:
        """The longest name that a word begins or ends with, of those that are not words."""
        found = [
            name
            for name in names
            if len(name) >= _SHORTEST
            and (word.startswith(name) or word.endswith(name))
            and len(self.tokenize(name)) > 1
        ]
        return max(found, key=len, default="")
