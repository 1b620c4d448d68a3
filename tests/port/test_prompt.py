"""The language of prompts: emphasis, trigger words, chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import EmbeddingError
from ti_core.port.prompt import Piece, find_triggers, pack, read_emphasis, read_prompt

COMMA = 44


def tokenize(text: str) -> list[int]:
    """One token a letter; spaces only separate."""
    return [ord(letter) for letter in text if letter != " "]


def spans(text: str) -> list[tuple[str, float]]:
    return [(piece.text, round(piece.weight, 4)) for piece in read_emphasis(text)]


# --- emphasis ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", [("plain text", 1)]),
        ("", [("", 1)]),
        ("(x)", [("x", 1.1)]),
        ("(((x)))", [("x", 1.331)]),
        ("[x]", [("x", 0.9091)]),
        ("[[[[[x]]]]]", [("x", 0.6209)]),
        ("(x:1.3)", [("x", 1.3)]),
        ("( x : 1.3 )", [(" x ", 1.3)]),
        ("(x:.5)", [("x", 0.5)]),
        ("(x:-1)", [("x", -1)]),
        ("([x])", [("x", 1)]),
        ("a (b (c:2) d) e", [("a ", 1), ("b ", 1.1), ("c", 2.2), (" d", 1.1), (" e", 1)]),
        (r"\(x\)", [("(x)", 1)]),
        (r"\[x\]", [("[x]", 1)]),
        (r"a\\b", [("a\\b", 1)]),
        (r"a\b", [("ab", 1)]),
        ("ratio 3:4", [("ratio 3:4", 1)]),
        ("x:1.3)", [("x:1.3)", 1)]),
        ("(x:1.2.3)", [("x:1.2.3", 1.1)]),
    ],
)
def test_emphasis_is_read_as_a1111_reads_it(text: str, expected: list[tuple[str, float]]) -> None:
    assert spans(text) == [(part, round(weight, 4)) for part, weight in expected]


def test_brackets_that_nobody_closes_reach_to_the_end() -> None:
    assert spans("a (b") == [("a ", 1), ("b", 1.1)]
    assert spans("a ((b") == [("a ", 1), ("b", 1.21)]


def test_brackets_that_nobody_opened_are_text() -> None:
    assert spans("a) b]") == [("a) b]", 1)]
    assert spans("((x)))") == [("x", 1.21), (")", 1)]


def test_break_ends_a_chunk_only_as_a_word_in_capitals() -> None:
    assert [p.ends_chunk for p in read_emphasis("a BREAK b")] == [False, True, False]
    assert spans("breakfast BREAKFAST break") == [("breakfast BREAKFAST break", 1)]


def test_literal_text_keeps_every_character() -> None:
    text = r"(a:1.3) [b] BREAK \( c"
    assert read_prompt(text, [], emphasis=False) == [Piece(text)]


@given(st.text(alphabet="ab ()[]:\\.1,", max_size=40))
def test_any_text_can_be_read(text: str) -> None:
    pieces = read_emphasis(text)
    assert pieces
    left = "".join(piece.text for piece in pieces)
    assert len(left) <= len(text)


@given(st.text(alphabet="abc ,.:-", max_size=40))
def test_text_without_brackets_is_left_alone(text: str) -> None:
    assert spans(text) == [(text, 1)]


# --- trigger words ----------------------------------------------------------------------------


def found(text: str, *triggers: str) -> list[str]:
    return [piece.trigger for piece in find_triggers(text, triggers) if piece.trigger]


def test_triggers_are_found_in_any_case_and_keep_their_own_spelling() -> None:
    assert found("a MYCHAR and mychar", "MyChar") == ["MyChar", "MyChar"]


@pytest.mark.parametrize("text", ["mychar42", "xmychar4", "my_mychar4", "mychar4-x", "émychar4"])
def test_part_of_another_word_is_no_trigger(text: str) -> None:
    assert found(text, "mychar4") == []


@pytest.mark.parametrize(
    "text", ["mychar4", "mychar4, x", "(mychar4:1.2)", "mychar4's", "a mychar4."]
)
def test_punctuation_ends_a_word(text: str) -> None:
    assert found(text, "mychar4") == ["mychar4"]


def test_triggers_may_have_punctuation() -> None:
    assert found("a <cat-toy>, my-style", "<cat-toy>", "my-style") == ["<cat-toy>", "my-style"]
    assert found("<a><b>", "<a>", "<b>") == ["<a>", "<b>"]
    assert found("my-style", "style", "my") == []
    assert found("a.b", "a.b") == ["a.b"]
    assert found("axb", "a.b") == []


def test_the_longest_trigger_wins() -> None:
    assert found("cat toy", "cat", "cat toy") == ["cat toy"]
    assert found("cat toys", "cat", "cat toy") == ["cat"]


def test_triggers_inside_emphasis_carry_its_weight() -> None:
    pieces = read_prompt("a (big mychar:1.5)", ["mychar"], emphasis=True)
    assert [(p.text, p.trigger) for p in pieces] == [
        ("a ", None),
        ("big ", None),
        ("mychar", "mychar"),
    ]
    assert pieces[-1].weight == 1.5


@given(st.text(alphabet="abAB -_1", max_size=30), st.lists(st.text(alphabet="ab-1", max_size=3)))
def test_cutting_loses_no_character(text: str, triggers: list[str]) -> None:
    assert "".join(piece.text for piece in find_triggers(text, triggers)) == text


# --- chunks -----------------------------------------------------------------------------------


def lengths(text: str, vectors: dict[str, int] | None = None, emphasis: bool = True) -> list[int]:
    vectors = vectors or {}
    chunks = pack(read_prompt(text, vectors, emphasis), tokenize, vectors)
    return [len(chunk) for chunk in chunks]


def test_an_empty_prompt_is_one_empty_chunk() -> None:
    assert lengths("") == [0]


def test_seventy_five_tokens_fit_and_one_more_begins_a_chunk() -> None:
    assert lengths("x" * 75) == [75]
    assert lengths("x" * 76) == [75, 1]


def test_each_vector_takes_one_place() -> None:
    chunk = pack(read_prompt("a emb b", ["emb"], emphasis=False), tokenize, {"emb": 3})[0]
    assert [(s.token, s.trigger, s.row) for s in chunk] == [
        (ord("a"), None, 0),
        (0, "emb", 0),
        (0, "emb", 1),
        (0, "emb", 2),
        (ord("b"), None, 0),
    ]


def test_an_embedding_is_never_split() -> None:
    assert lengths("x" * 70 + " emb", {"emb": 5}) == [75]
    assert lengths("x" * 70 + " emb y", {"emb": 6}) == [70, 7]


def test_an_embedding_of_a_whole_chunk_fits_and_a_longer_one_is_refused() -> None:
    assert lengths("emb emb", {"emb": 75}) == [75, 75]
    with pytest.raises(EmbeddingError, match="76 vectors"):
        lengths("emb", {"emb": 76})


def test_a_chunk_is_cut_after_a_comma_among_the_last_twenty_tokens() -> None:
    assert lengths("x" * 55 + "," + "y" * 30) == [56, 30]
    assert lengths("x" * 54 + "," + "y" * 30) == [75, 10]
    assert lengths("x" * 74 + "," + "y") == [75, 1]
    assert lengths("x" * 75 + ",y") == [75, 2]


def test_an_embedding_after_the_comma_moves_whole() -> None:
    chunks = pack(
        read_prompt("x" * 60 + ", emb" + " y" * 20, ["emb"], emphasis=False), tokenize, {"emb": 8}
    )
    assert [len(chunk) for chunk in chunks] == [61, 28]
    assert [slot.row for slot in chunks[1][:8]] == list(range(8))


def test_break_begins_a_chunk() -> None:
    assert lengths("ab BREAK c") == [2, 1]
    assert lengths("ab BREAK c", emphasis=False) == [8]


@given(st.text(alphabet="xy,E ", max_size=300), st.integers(1, 75))
def test_packing_keeps_order_and_limits(text: str, count: int) -> None:
    vectors = {"E": count}
    pieces = read_prompt(text, vectors, emphasis=False)
    chunks = pack(pieces, tokenize, vectors)
    flat = [slot for chunk in chunks for slot in chunk]
    expected = sum(count if p.trigger else len(tokenize(p.text)) for p in pieces)
    assert len(flat) == expected
    assert all(len(chunk) <= 75 for chunk in chunks)
    assert [s.token for s in flat if not s.trigger] == [
        t for p in pieces if not p.trigger for t in tokenize(p.text)
    ]
    for chunk in chunks:  # whole embeddings only
        rows = [slot.row for slot in chunk if slot.trigger]
        assert rows == list(range(count)) * (len(rows) // count)


def test_a_word_is_found_however_its_letters_are_composed() -> None:
    """CLIP's tokenizer composes them as well."""
    for text in ("a café", "a cafe\u0301"):
        for name in ("café", "cafe\u0301"):
            assert [p.trigger for p in find_triggers(text, [name])] == [None, name]


def test_a_word_that_goes_on_with_a_mark_is_another_one() -> None:
    assert [p.trigger for p in find_triggers("हिन्दी", ["हिन्द"])] == [None]
    assert [p.trigger for p in find_triggers("हिन्दी", ["हिन्दी"])] == ["हिन्दी"]
    assert [p.trigger for p in find_triggers("猫と犬, 猫", ["猫"])] == [None, "猫"]
