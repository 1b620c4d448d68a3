"""Reads merge expressions, by hand and without ever evaluating them as code.

    'cat' * 0.7 + mystyle          words of the model, embeddings, numbers
    'a red', <my style>, 'cat'     concatenation
    (mystyle - 'cat') / 2          brackets

The language is that of klimaleksus' Embedding Merge, whose expressions mean the same here, with
two exceptions: a text is always words of the model, embeddings are called by name; and its marks
00, 000 and 0000 are refused. Names, brackets, slices and a number in front are added:

    sum     = item { ("+" | "-" | "=" change) item }
    item    = ["-"] [number "*"] atom { change }
    change  = "*" number | "/" number       times, divided by
            | "," (atom | token number)     what follows is put behind
            | ":" count                     cut off or filled up with zeros
            | (":+" | ":-") places          turned round
    atom    = ('text' | "text" | name | <name> | `name` | "(" sum ")") { pick }
    pick    = "[" place "]" | "[" start ":" stop "]"    some of its vectors, counted from 0

Changes apply from left to right, as they are written: `'a', 'b' * 2` doubles both. After "=" a
change applies to the whole sum so far (`'a' + 'b' =/ 2`). A quote inside a text is doubled.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..errors import ExpressionError
from ..files.embedding import MOST_VECTORS
from .syntax import (
    BARE_NAME,
    Join,
    Name,
    Pick,
    Resize,
    Scale,
    Sum,
    Text,
    Token,
    Tree,
    Turn,
)

_MOST_CHARACTERS = 20_000
_SHOWN = 72
"""Characters of the expression that an error shows."""
_MOST_OPERATIONS = 200
_MOST_BRACKETS = 40
"""The reader, and everyone who walks the tree, calls itself that often at most."""

_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BRACKETED = re.compile(r"<([^<>]+)>|`([^`]+)`")
_QUOTED = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"")


@dataclass(frozen=True)
class _Word:
    """A part of an expression that is read as one."""

    kind: str
    """"text", "name", "number", "end", or the sign itself."""
    value: str
    at: int


def parse(expression: str) -> Tree:
    """The tree of an expression.

    Raises ExpressionError, and nothing else, for whatever is not one.
    """
    if len(expression) > _MOST_CHARACTERS:
        why = f"it has {len(expression)} characters, {_MOST_CHARACTERS} are possible"
        raise _refusal(why, expression, _MOST_CHARACTERS)
    return _Reader(expression).whole()


def _refusal(why: str, expression: str, column: int, fix: str = "") -> ExpressionError:
    """With the part of the expression around the place, and a caret below it."""
    start = max(0, min(column - _SHOWN // 2, len(expression) - _SHOWN))
    line = expression[start : start + _SHOWN]
    shown = "".join(c if c.isprintable() else " " for c in line)
    what = f"the expression cannot be read at column {column + 1}"
    caret = " " * (column - start) + "^"
    return ExpressionError(what, why, fix, f"    {shown}\n    {caret}")


# --- words ------------------------------------------------------------------------------------


def _words(expression: str) -> list[_Word]:
    found, at = [], 0
    while at < len(expression):
        if expression[at].isspace():
            at += 1
            continue
        word, at = _next_word(expression, at)
        found.append(word)
    return [*found, _Word("end", "", len(expression))]


def _next_word(expression: str, at: int) -> tuple[_Word, int]:
    """The word that begins at `at`, and where it ends."""
    sign = expression[at]
    if sign in "'\"":
        return _quoted(expression, at)
    if match := _BRACKETED.match(expression, at):
        return _Word("name", match[1] or match[2], at), match.end()
    if sign in "<`":
        fix = "write <name>, with the name of an embedding between the brackets"
        raise _refusal("this bracket is not closed, or empty", expression, at, fix)
    if match := BARE_NAME.match(expression, at):
        return _Word("name", match.group(), at), match.end()
    if match := _NUMBER.match(expression, at):
        return _Word("number", match.group(), at), _end_of_number(expression, match)
    if sign in "+-*/,:=[]()":
        return _Word(sign, sign, at), at + 1
    raise _refusal(f"{sign!r} has no meaning here", expression, at)


def _quoted(expression: str, at: int) -> tuple[_Word, int]:
    match = _QUOTED.match(expression, at)
    if match is None:
        raise _refusal("this quote is not closed", expression, at)
    quote = expression[at]
    text = match.group()[1:-1].replace(quote * 2, quote)
    return _Word("text", text, at), match.end()


def _end_of_number(expression: str, match: re.Match[str]) -> int:
    """Raises ExpressionError when letters follow: `4k` is the name of something."""
    end = match.end()
    if end < len(expression) and (expression[end].isalpha() or expression[end] in "_."):
        fix = "write a name that begins with a digit as <4k>"
        raise _refusal("this is neither a number nor a name", expression, match.start(), fix)
    return end


# --- sentences --------------------------------------------------------------------------------


class _Reader:
    """Walks over the words; every method reads one rule of the grammar."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.words = _words(expression)
        self.position = self.brackets = self.operations = 0

    @property
    def word(self) -> _Word:
        return self.words[self.position]

    def take(self) -> _Word:
        """Continue by one word."""
        word = self.word
        self.position += 1
        return word

    def takes(self, *kinds: str) -> bool:
        """Continue if the next word is one of these."""
        if self.word.kind in kinds:
            self.position += 1
            return True
        return False

    def fail(self, why: str, at: int | None = None, fix: str = "") -> ExpressionError:
        place = self.word.at if at is None else at
        return _refusal(why, self.expression, place, fix)

    def expected(self, what: str) -> ExpressionError:
        word = self.word
        instead = "the end" if word.kind == "end" else repr(word.value)
        return self.fail(f"{what} is expected, not {instead}")

    def count_operation(self) -> None:
        self.operations += 1
        if self.operations > _MOST_OPERATIONS:
            why = f"it has more than {_MOST_OPERATIONS} operations"
            raise self.fail(why, fix="save a part of it and use that by its name")

    def whole(self) -> Tree:
        tree = self.sum()
        if self.word.kind != "end":
            fix = "put +, - or , between two parts"
            raise self.fail(f"{self.word.value!r} is not expected", fix=fix)
        return tree

    def sum(self) -> Tree:
        tree = self.item()
        while self.word.kind in ("+", "-", "="):
            self.count_operation()
            sign = self.take().kind
            if sign == "=":
                tree = self.changed_result(tree)
            else:
                tree = Sum(tree, self.item(), minus=sign == "-")
        return tree

    def changed_result(self, tree: Tree) -> Tree:
        if self.word.kind not in ("*", "/", ":"):
            raise self.expected("*, / or : after =")
        return self.changed(tree)

    def item(self) -> Tree:
        factors = []
        if self.takes("-"):
            factors.append(-1.0)
        if self.word.kind == "number":
            factors.append(self.number())
            if not self.takes("*"):
                why = "a number is on its own"
                raise self.fail(why, fix="multiply it with something: 0.5 * 'cat'")
        tree = self.atom()
        if factors:
            self.count_operation()
            tree = Scale(tree, math.prod(factors))
        return self.changed(tree)

    def atom(self) -> Tree:
        tree = self.core()
        while self.word.kind == "[":
            self.count_operation()
            tree = self.picked(tree, self.take().at)
        return tree

    def core(self) -> Tree:
        word = self.word
        if self.takes("text"):
            return Text(word.value, word.at)
        if self.takes("name"):
            return Name(word.value, word.at)
        if not self.takes("("):
            raise self.expected("a 'text', the name of an embedding or a bracket")
        return self.bracketed(word)

    def bracketed(self, opening: _Word) -> Tree:
        self.brackets += 1
        if self.brackets > _MOST_BRACKETS:
            raise self.fail(f"more than {_MOST_BRACKETS} brackets are open", opening.at)
        tree = self.sum()
        if not self.takes(")"):
            if self.word.kind == "end":
                raise self.fail("this bracket is not closed", opening.at)
            raise self.expected("a closing bracket")
        self.brackets -= 1
        return tree

    def changed(self, tree: Tree) -> Tree:
        """All the changes that follow."""
        while self.word.kind in ("*", "/", ",", ":"):
            self.count_operation()
            sign = self.take()
            if sign.kind == ",":
                tree = Join(tree, self.joined())
            elif sign.kind == ":":
                tree = self.resized(tree)
            else:
                tree = Scale(tree, self.factor(sign), divide=sign.kind == "/")
        return tree

    def factor(self, sign: _Word) -> float:
        """A number with its sign; not 0 where it divides."""
        negative = self.word.kind == "-"
        self.takes("+", "-")
        at = self.word.at
        number = self.number()
        if sign.kind == "/" and number == 0:
            raise self.fail("nothing can be divided by 0", at)
        return -number if negative else number

    def number(self) -> float:
        word = self.word
        if not self.takes("number"):
            raise self.expected("a number")
        number = float(word.value)
        if not math.isfinite(number):
            raise self.fail("this number is too large", word.at)
        return number

    def whole_number(self, most: int) -> int:
        word = self.word
        if word.kind != "number" or not word.value.isdigit():
            raise self.expected("a whole number")
        self.take()
        if len(word.value) > 9 or int(word.value) > most:
            raise self.fail(f"{most} is the most that is possible", word.at)
        return int(word.value)

    def joined(self) -> Tree:
        """What stands behind a comma."""
        word = self.word
        if word.kind != "number":
            return self.atom()
        if re.fullmatch("0{2,}", word.value):
            why = f"{word.value} is a mark of Embedding Merge that differs from model to model"
            raise self.fail(why, fix="write a token's number: CLIP's start is 49406, its end 49407")
        return Token(self.whole_number(10**9), word.at)

    def resized(self, tree: Tree) -> Tree:
        sign = self.word.kind
        if self.takes("+", "-"):
            places = self.whole_number(MOST_VECTORS)
            return Turn(tree, -places if sign == "-" else places)
        return Resize(tree, self.whole_number(MOST_VECTORS))

    def picked(self, tree: Tree, at: int) -> Tree:
        start, stop = self.place(), None
        if self.takes(":"):
            stop = self.place()
        elif start is None:
            raise self.expected("a place, as in [0] or [0:2],")
        else:
            stop = start + 1 or None
        if not self.takes("]"):
            raise self.expected("a closing ]")
        return Pick(tree, start, stop, at)

    def place(self) -> int | None:
        sign = self.word.kind
        if not self.takes("+", "-") and sign != "number":
            return None
        place = self.whole_number(MOST_VECTORS)
        return -place if sign == "-" else place
