"""The language of merge expressions: what is understood, and what errors say."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import ConfigError, ExpressionError
from ti_core.tools.expression import parse
from ti_core.tools.syntax import (
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
    unparse,
    without_paths,
)

from .expressions import TREES

A, B = Text("a"), Text("b")

UNDERSTOOD = {
    "'cat' * 0.7 + mystyle": Sum(Scale(Text("cat"), 0.7), Name("mystyle")),
    "'a'-'b'-'a'": Sum(Sum(A, B, True), A, True),
    "'a' - ('b' - 'a')": Sum(A, Sum(B, A, True), True),
    "('a' + 'b') / 2": Scale(Sum(A, B), 2.0, True),
    "0.5 * 'a' + 'b'": Sum(Scale(A, 0.5), B),
    "-'a'": Scale(A, -1.0),
    "x[1:3], y[0] * 2": Scale(Join(Pick(Name("x"), 1, 3), Pick(Name("y"), 0, 1)), 2.0),
    "-.5*'a'*2": Scale(Scale(A, -0.5), 2.0),
    "'a' * - 1": Scale(A, -1.0),
    "'a'*+1e-2": Scale(A, 0.01),
    "'a', 'b' * 2": Scale(Join(A, B), 2.0),
    "'a', ('b' * 2)": Join(A, Scale(B, 2.0)),
    "my-style_2.1, <my style>, `a/b c.pt`": Join(
        Join(Name("my-style_2.1"), Name("my style")), Name("a/b c.pt")
    ),
    "style-'a'": Sum(Name("style"), A, True),
    "style - 'a'": Sum(Name("style"), A, True),
    "猫": Name("猫"),
    "x[0]": Pick(Name("x"), 0, 1),
    "x[-1]": Pick(Name("x"), -1, None),
    "x[1:-2][:][:3]": Pick(Pick(Pick(Name("x"), 1, -2), None, None), None, 3),
    '"it\'s"': Text("it's"),
    "'it''s'": Text("it's"),
    '"say ""cat"""': Text('say "cat"'),
    "''": Text(""),
    " \n\t'a'\r": A,
}


@pytest.mark.parametrize(("expression", "tree"), UNDERSTOOD.items())
def test_an_expression_is_understood(expression: str, tree: Tree) -> None:
    assert parse(expression) == tree


EMBEDDING_MERGE = {
    "'greg rutkowski'/4+'gustav dore'*0.75": Sum(
        Scale(Text("greg rutkowski"), 4.0, True), Scale(Text("gustav dore"), 0.75)
    ),
    "'sky' * 2/4 + 'forest' * 3/4": Sum(
        Scale(Scale(Text("sky"), 2.0), 4.0, True), Scale(Scale(Text("forest"), 3.0), 4.0, True)
    ),
    "'a'/2 + 'b'/2 + '':1 - 'd'": Sum(
        Sum(Sum(Scale(A, 2.0, True), Scale(B, 2.0, True)), Resize(Text(""), 1)), Text("d"), True
    ),
    "'a'+'b' =* 0.5 + 'c'*0 + 'd'*-1": Sum(
        Sum(Scale(Sum(A, B), 0.5), Scale(Text("c"), 0.0)), Scale(Text("d"), -1.0)
    ),
    "'artstation' + 'artstation' :4 :+2": Sum(
        Text("artstation"), Turn(Resize(Text("artstation"), 4), 2)
    ),
    "'artstation','artstation'": Join(Text("artstation"), Text("artstation")),
    "'k' + 'k':-1 + 'k':-2 =: 1": Resize(
        Sum(Sum(Text("k"), Turn(Text("k"), -1)), Turn(Text("k"), -2)), 1
    ),
    "'',1836 + '',85": Sum(Join(Text(""), Token(1836)), Join(Text(""), Token(85))),
    "'4k'+'dynamic lighting'+'science fiction'=/3": Scale(
        Sum(Sum(Text("4k"), Text("dynamic lighting")), Text("science fiction")), 3.0, True
    ),
    "'a'+'b'=*2*3": Scale(Scale(Sum(A, B), 2.0), 3.0),
    "'a'*2,'b'": Join(Scale(A, 2.0), B),
    "'a',0,'b'": Join(Join(A, Token(0)), B),
}
"""The examples of Embedding Merge's own documentation, and the order in which its code works."""


@pytest.mark.parametrize(("expression", "tree"), EMBEDDING_MERGE.items())
def test_expressions_of_embedding_merge_mean_the_same_here(expression: str, tree: Tree) -> None:
    assert parse(expression) == tree


REFUSED = {
    "": (0, "a 'text', the name of an embedding or a bracket is expected, not the end"),
    "   ": (3, "not the end"),
    "'a' +": (5, "not the end"),
    "'a' + * 'b'": (6, "not '*'"),
    "'a' 'b'": (4, "'b' is not expected; put +, - or , between two parts"),
    "'a": (0, "this quote is not closed"),
    "'a' + \"b'": (6, "this quote is not closed"),
    "('a'": (0, "this bracket is not closed"),
    "('a' 'b')": (5, "a closing bracket is expected"),
    "'a')": (3, "')' is not expected"),
    "'a' * x": (6, "a number is expected, not 'x'"),
    "'a' * 'b'": (6, "a number is expected, not 'b'"),
    "'a' / 0": (6, "nothing can be divided by 0"),
    "'a' / -0.0": (7, "nothing can be divided by 0"),
    "'a' * 1e999": (6, "too large"),
    "'a':2.5": (4, "a whole number is expected"),
    "'a':1025": (4, "1024 is the most"),
    "'a':99999999999999999999": (4, "1024 is the most"),
    "'a',00": (4, "a mark of Embedding Merge"),
    "'a',-1": (4, "not '-'"),
    "'a', 4k": (5, "neither a number nor a name; write a name that begins with a digit as <4k>"),
    "'a' + 2": (7, "a number is on its own"),
    "'a' =+ 'b'": (5, "*, / or : after ="),
    "x[]": (2, "a place, as in [0] or [0:2]"),
    "x[0": (3, "a closing ]"),
    "x[0:1:2]": (5, "a closing ]"),
    "x[-]": (3, "a whole number"),
    "x['a']": (2, "a place"),
    "<>": (0, "not closed, or empty"),
    "<my": (0, "not closed, or empty"),
    "`my": (0, "not closed, or empty"),
    "'a' ; 'b'": (4, "';' has no meaning here"),
    "'a' ** 2": (5, "a number is expected, not '*'"),
    "__import__('os')": (10, "'(' is not expected"),
    "\x00": (0, "has no meaning"),
}


@pytest.mark.parametrize(("expression", "place"), REFUSED.items())
def test_an_error_names_the_place(expression: str, place: tuple[int, str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(expression)
    assert caught.value.what == f"the expression cannot be read at column {place[0] + 1}"
    assert place[1] in str(caught.value)


def test_a_caret_stands_under_the_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("'cat' *\tx")
    assert str(caught.value).splitlines()[1:] == ["    'cat' * x", "            ^"]


def test_of_a_long_expression_the_place_is_shown() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(" + ".join(["'cat'"] * 40) + " + x * y + " + " + ".join(["'cat'"] * 40))
    _, line, caret = str(caught.value).splitlines()
    assert len(line) < 80
    assert line[caret.index("^")] == "y"


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 5000 + "'a'" + ")" * 5000,
        "(" * 41 + "'a'" + ")" * 41,
        "'a'" + "+'a'" * 3000,
        "'a'" + "*2" * 3000,
        "'a'" + ",'a'" * 3000,
        "'a'" + "[0]" * 3000,
        "-" * 5000 + "'a'",
        "'" * 19_999,
        "<" * 20_000,
        "'a' + " * 1_000_000,
        "9" * 19_000 + "*'a'",
        "'a':" + "9" * 19_000,
    ],
)
def test_endless_expressions_are_refused_at_once(expression: str) -> None:
    start = time.process_time()
    with pytest.raises(ExpressionError):
        parse(expression)
    assert time.process_time() - start < 1


def test_two_hundred_operations_are_possible() -> None:
    tree = parse("'a'" + "+'a'" * 200)
    assert parse(unparse(tree)) == tree
    nested = parse("(" * 40 + "'a'" + "*2)" * 40)
    assert parse(unparse(nested)) == nested


def test_the_error_is_one_for_wrong_settings() -> None:
    assert issubclass(ExpressionError, ConfigError)


@given(TREES)
def test_a_printed_tree_is_read_as_itself(tree: Tree) -> None:
    assert parse(unparse(tree)) == tree


@pytest.mark.parametrize(
    ("expression", "canonical"),
    [
        ("('a'+('b'))*.50", "('a' + 'b') * 0.5"),
        ("'a','b'*2", "('a', 'b') * 2"),
        ("('a'*2),'b'", "'a' * 2, 'b'"),
        ("'a' + ('b', 'a')", "'a' + 'b', 'a'"),
        ("('a' * 2)[0]", "('a' * 2)[0:1]"),
        ("'a' - ('b' + 'a')", "'a' - ('b' + 'a')"),
        ("`easy`[:2]:+1:3", "easy[:2]:+1:3"),
        ("`my style`", "<my style>"),
        ("'it''s'", "'it''s'"),
    ],
)
def test_a_printed_tree_shows_what_belongs_together(expression: str, canonical: str) -> None:
    assert unparse(parse(expression)) == canonical


@given(st.text(max_size=60))
def test_no_text_crashes_the_reader(text: str) -> None:
    read_or_refuse(text)


@given(st.lists(st.sampled_from([*"'\"+-*/,:=[]()<>`0123 .ab", "'cat'", "x", "1e9"]), max_size=40))
def test_no_mix_of_signs_crashes_the_reader(parts: list[str]) -> None:
    read_or_refuse("".join(parts))


def read_or_refuse(text: str) -> None:
    """Either is right; any other error ends the test."""
    refusal = None
    try:
        tree = parse(text)
    except ExpressionError as error:
        refusal = error
    if refusal is None:
        assert parse(unparse(tree)) == tree
    else:
        column = int(refusal.what.rpartition(" ")[2])
        assert 1 <= column <= len(text) + 1
        assert str(refusal).count("\n") == 2


def test_paths_can_be_taken_out() -> None:
    tree = parse("<a/b/my style.pt> + `C:\\x\\y.bin`, 'a/b' * 2")
    assert unparse(without_paths(tree)) == "<my style.pt> + (y.bin, 'a/b') * 2"
