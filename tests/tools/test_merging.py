"""Vectors of merge expressions: Embedding Merge's rules, and the laws of arithmetic."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ti_core.errors import EmbeddingError
from ti_core.tools.expression import parse
from ti_core.tools.merging import evaluate, evaluate_part
from ti_core.tools.sources import KeyRows
from ti_core.tools.syntax import Name, Text, Token, Tree

from .expressions import TREES

WIDTHS = {"clip_l": 3, "clip_g": 5}


def vectors_of(leaf: Text | Name | Token) -> KeyRows:
    """A row of whole numbers for every letter; an empty text has none."""
    letters = str(leaf.number) if isinstance(leaf, Token) else getattr(leaf, "text", None)
    if isinstance(leaf, Name):
        letters = leaf.name
    assert letters is not None
    codes = torch.tensor([float(ord(letter) % 97) for letter in letters]).reshape(-1, 1)
    return {key: codes + torch.arange(width) for key, width in WIDTHS.items()}


def of(expression: str) -> Tensor:
    return evaluate(parse(expression), vectors_of)["clip_g"]


def first(expression: str) -> list[float]:
    """The first number of every vector."""
    return of(expression)[:, 0].tolist()


GOLDEN = {
    "'a' + 'cd'": [0 + 2, 3],
    "'bcd' - 'b'": [0, 2, 3],
    "'b' - 'bcd'": [0, -2, -3],
    "'bcd' * 2": [2, 4, 6],
    "'c' / 4": [0.5],
    "'c' * 2/4": [1],
    "'bcd' :2": [1, 2],
    "'bc' :4": [1, 2, 0, 0],
    "'bcd' :+1": [3, 1, 2],
    "'bcd' :-1": [2, 3, 1],
    "'bcd' :-4": [2, 3, 1],
    "'bc' + 'bc' :4 :+2": [1, 2, 1, 2],
    "'bc','bc'": [1, 2, 1, 2],
    "'k' + 'bcd':-1 + 'bcd':-2 =: 1": [10 + 2 + 3],
    "'b'+'c' =* 0.5 + 'd'*0 + 'e'*-1": [1.5 - 4],
    "'b'/2 + 'c'/2 + '':1 - 'e'": [1.5 - 4],
    "'b','c' * 2": [2, 4],
    "'b'*2,'c'": [2, 2],
}
"""Worked out by hand by the rules of Embedding Merge's documentation."""


@pytest.mark.parametrize(("expression", "numbers"), GOLDEN.items())
def test_an_expression_gives_what_embedding_merge_gives(
    expression: str, numbers: list[float]
) -> None:
    assert first(expression) == numbers


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("x[0]", [23]),
        ("bcd[0]", [1]),
        ("bcd[-1]", [3]),
        ("bcd[-2]", [2]),
        ("bcd[1:]", [2, 3]),
        ("bcd[:-1]", [1, 2]),
        ("bcd[1:99]", [2, 3]),
        ("bcd[0], bcd[2] ", [1, 3]),
        ("0.5 * cd - 'b'", [0, 1.5]),
        ("-bc", [-1, -2]),
        ("(b + c) / 3", [1]),
        ("b - (c - d)", [2]),
    ],
)
def test_what_we_add_to_the_language(expression: str, numbers: list[float]) -> None:
    assert first(expression) == numbers


def test_all_text_encoders_are_treated_alike() -> None:
    found = evaluate(parse("'bc' * 0.5 + <d>, 'e'"), vectors_of)
    assert {key: tuple(rows.shape) for key, rows in found.items()} == {
        "clip_l": (2, 3),
        "clip_g": (2, 5),
    }
    assert torch.equal(found["clip_l"], found["clip_g"][:, :3])


LETTERS = st.text("abcdefg", min_size=1, max_size=6)


@given(LETTERS, LETTERS, LETTERS)
def test_sums_can_be_taken_in_any_order(a: str, b: str, c: str) -> None:
    assert torch.equal(of(f"'{a}' + '{b}'"), of(f"'{b}' + '{a}'"))
    assert torch.equal(of(f"('{a}' + '{b}') + '{c}'"), of(f"'{a}' + ('{b}' + '{c}')"))
    assert torch.equal(of(f"'{a}' - '{b}' - '{c}'"), of(f"'{a}' - ('{b}' + '{c}')"))


@given(LETTERS, LETTERS, st.sampled_from([0.25, 0.5, 2, -4]))
def test_factors_can_be_taken_out_of_sums_and_concatenations(a: str, b: str, factor: float) -> None:
    for sign in "+-,":
        whole = of(f"('{a}' {sign} '{b}') * {factor}")
        parts = of(f"('{a}' * {factor}) {sign} ('{b}' * {factor})")
        assert torch.equal(whole, parts)


@given(LETTERS, st.integers(-9, 9))
def test_a_difference_from_itself_is_zeros_and_turning_back_is_nothing(a: str, places: int) -> None:
    assert not of(f"'{a}' - '{a}'").any()
    assert torch.equal(of(f"'{a}' :{places:+} :{-places:+}"), of(f"'{a}'"))
    assert torch.equal(of(f"'{a}' + '{a}'"), of(f"'{a}' * 2"))
    assert torch.equal(of(f"'{a}' / -4"), of(f"'{a}' * -0.25"))


@given(LETTERS, LETTERS)
def test_slices_of_a_concatenation_are_its_parts(a: str, b: str) -> None:
    assert torch.equal(of(f"('{a}', '{b}')[:{len(a)}]"), of(f"'{a}'"))
    assert torch.equal(of(f"('{a}', '{b}')[{len(a)}:]"), of(f"'{b}'"))


@given(TREES)
def test_any_tree_gives_finite_vectors_or_the_named_error(tree: Tree) -> None:
    try:
        found = evaluate(tree, vectors_of)
    except EmbeddingError:
        return
    assert len({len(rows) for rows in found.values()}) == 1
    assert all(rows.isfinite().all() for rows in found.values())
    assert 0 < len(found["clip_l"]) <= 2048


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("''", "'' has no vectors"),
        ("'abc':0", "'abc':0 has no vectors"),
        ("abc[3]", "abc[3:4] picks nothing: abc has 3 vectors, counted from 0"),
        ("abc[2:1]", "picks nothing"),
        ("'a':1024,'b'", "it has 1025 vectors, 1024 are possible"),
        ("'b' * 1e300", "too large for a number"),
        ("'b' * 1e300 - 'b' * 1e300", "too large for a number"),
    ],
)
def test_an_unusable_result_is_told(expression: str, message: str) -> None:
    with pytest.raises(EmbeddingError) as caught:
        evaluate(parse(expression), vectors_of)
    assert message in str(caught.value)


def test_the_longest_expressions_can_be_computed() -> None:
    assert first("'b'" + " + 'b'" * 200) == [201]
    assert first("(" * 40 + "'b'" + " * 2)" * 40) == [2.0**40]
    assert len(of("'b'" + ", 'b'" * 200)) == 201


def test_parts_for_different_families_do_not_go_together() -> None:
    def lookup(leaf: Text | Name | Token) -> KeyRows:
        if isinstance(leaf, Name):
            return {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}
        return {"emb_params": torch.ones(1, 768)}

    for sign in "+-,":
        with pytest.raises(EmbeddingError, match="for SDXL, the second for SD 1"):
            evaluate_part(parse(f"x {sign} 'cat'"), lookup)


def test_the_vectors_that_were_looked_up_stay_as_they_are() -> None:
    rows = {"emb_params": torch.ones(2, 3)}
    evaluate(parse("(x * 3 + x)[0] - x:1"), lambda leaf: rows)
    assert torch.equal(rows["emb_params"], torch.ones(2, 3))
