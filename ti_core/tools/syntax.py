"""The tree of a merge expression, and how it is written down.

`'cat' * 0.7 + mystyle` is Sum(Scale(Text("cat"), 0.7), Name("mystyle")). Trees are made by
`expression.parse`; `unparse` writes one so that reading it gives an equal tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TypeAlias

BARE_NAME = re.compile(r"[^\W\d]\w*(?:[.-]+\w+)*")
"""A name that needs no brackets: `EasyNegative`, `bad-hands-5`, `my.style_2`."""


@dataclass(frozen=True)
class Text:
    """Words of the model: the vocabulary's rows for a text."""

    text: str
    at: int = field(default=0, compare=False)
    """Where it is in the expression, from 0; for messages."""


@dataclass(frozen=True)
class Name:
    """An embedding, by its name or the path of its file."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Token:
    """One row of the vocabulary, by its number."""

    number: int
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Join:
    """The vectors of one, then those of the other."""

    left: Tree
    right: Tree


@dataclass(frozen=True)
class Sum:
    """Vector by vector; the shorter one is filled up with zeros."""

    left: Tree
    right: Tree
    minus: bool = False


@dataclass(frozen=True)
class Scale:
    """Every vector times a number, or divided by it."""

    of: Tree
    number: float
    divide: bool = False


@dataclass(frozen=True)
class Resize:
    """Cut off, or filled up with zeros, to this many vectors."""

    of: Tree
    count: int


@dataclass(frozen=True)
class Turn:
    """Vectors moved on by some places; what falls off the end comes in at the beginning."""

    of: Tree
    by: int


@dataclass(frozen=True)
class Pick:
    """Some of the vectors, as a slice of Python."""

    of: Tree
    start: int | None
    stop: int | None
    at: int = field(default=0, compare=False)


Tree: TypeAlias = Text | Name | Token | Join | Sum | Scale | Resize | Turn | Pick

_SUM, _JOIN, _CHANGE, _ATOM = range(4)
"""How tightly the parts of a written expression hold together."""


def unparse(tree: Tree) -> str:
    """The tree as an expression, with the brackets that it needs; a concatenation that is changed
    as a whole has them too, so that people see it."""
    return _printed(tree, _SUM)


def _printed(tree: Tree, least: int) -> str:
    text, holds = _spelled(tree)
    return text if holds >= least else f"({text})"


def _spelled(tree: Tree) -> tuple[str, int]:
    match tree:
        case Text(text):
            return "'" + text.replace("'", "''") + "'", _ATOM
        case Name(name):
            return _spelled_name(name), _ATOM
        case Token(number):
            return str(number), _ATOM
        case Sum(left, right, minus):
            sign = "-" if minus else "+"
            return f"{_printed(left, _SUM)} {sign} {_printed(right, _JOIN)}", _SUM
        case Join(left, right):
            return f"{_printed(left, _JOIN)}, {_printed(right, _ATOM)}", _JOIN
        case Pick(of, start, stop):
            return f"{_printed(of, _ATOM)}[{_place(start)}:{_place(stop)}]", _ATOM
    return _printed(tree.of, _CHANGE) + _spelled_change(tree), _CHANGE


def _spelled_name(name: str) -> str:
    if BARE_NAME.fullmatch(name):
        return name
    return f"`{name}`" if set("<>") & set(name) else f"<{name}>"


def _spelled_change(tree: Scale | Resize | Turn) -> str:
    match tree:
        case Scale(_, number, divide):
            return f" {'/' if divide else '*'} {_spelled_number(number)}"
        case Resize(_, count):
            return f":{count}"
        case Turn(_, by):
            return f":{by:+}"


def _place(place: int | None) -> str:
    return "" if place is None else str(place)


def _spelled_number(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def without_paths(tree: Tree) -> Tree:
    """The same tree with the file names of embeddings instead of their paths."""
    match tree:
        case Name(name):
            return replace(tree, name=re.split(r"[/\\]", name.rstrip("/\\"))[-1])
        case Text() | Token():
            return tree
        case Join() | Sum():
            left, right = without_paths(tree.left), without_paths(tree.right)
            return replace(tree, left=left, right=right)
    return replace(tree, of=without_paths(tree.of))


def names_in(tree: Tree) -> list[str]:
    """The embeddings that it names, as they are written."""
    match tree:
        case Name(name):
            return [name]
        case Text() | Token():
            return []
        case Join() | Sum():
            return [*names_in(tree.left), *names_in(tree.right)]
    return names_in(tree.of)
