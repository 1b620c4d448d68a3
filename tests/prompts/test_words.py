"""Which words of a prompt are embeddings, where, and why others are not."""

from __future__ import annotations

import pytest

from ti_core.families import SDXL
from ti_core.files.library import Library
from ti_core.hosts.fake import FakeHost
from ti_core.prompts.missed import missed
from ti_core.prompts.used import known_of, words_of
from ti_core.prompts.words import Known, PromptWords

CAT = Known("my-cat", {"emb_params": 12}, 2)
STYLE = Known("old style", {"emb_params": 12}, 5)
LARGE = Known("big-xl", {"clip_l": 12, "clip_g": 20}, 1)
TORN = Known("torn-dog", trouble="torn-dog.pt is damaged; copy it again")
KNOWN = (CAT, STYLE, LARGE, TORN)


def words(text: str) -> PromptWords:
    return words_of(text, KNOWN, FakeHost())


def where(text: str) -> list[tuple[str, str, int]]:
    """(name, what stands there, chunk)"""
    return [(one.name, text[one.start : one.end], one.chunk) for one in words(text).found]


@pytest.mark.parametrize(
    "text",
    [
        "my-cat",
        "a my-cat, a tree",
        "photo,my-cat,tree",
        "embedding:my-cat",
        "a (my-cat:1.3) and [my-cat]",
        r"\(MY-CAT\) my-cat",
        "a my-cat2 my-cat",
        "BREAK my-cat BREAK my-cat",
        "old style, my-cat",
    ],
)
def test_a_word_is_found_where_it_stands(text: str) -> None:
    found = where(text)
    assert len(found) == text.lower().replace("my-cat2", "").count("my-cat") + ("old" in text)
    assert all(stands.lower() == name for name, stands, _ in found)


def test_weight_chunk_and_vectors_are_told() -> None:
    text = "tree " * 74 + "(my-cat:1.5) BREAK my-cat"
    first, second = words(text).found
    assert (first.chunk, first.weight, dict(first.vectors)) == (2, 1.5, {"clip_l": 2})
    assert second.chunk == 3
    at = text.index("my-cat")
    assert str(first) == (
        f"my-cat is used: characters {at + 1} to {at + 6}, chunk 2, vectors for clip_l 2, "
        "weight 1.5"
    )


def test_both_encoders_of_a_model_are_told() -> None:
    host = FakeHost(family=SDXL)
    widths = host.describe().widths
    known = Known("big-xl", widths, 3)
    (one,) = words_of("a big-xl", [known, CAT], host).found
    assert dict(one.vectors) == dict.fromkeys(widths, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a my-cta", "there is no embedding my-cta: its letters are used; did you mean my-cat?"),
        ("a my-cat2", "did you mean my-cat? It must stand apart from other letters"),
        ("amy-cat", "did you mean my-cat? It must stand apart"),
        ("a my-cats", "did you mean my-cat? It must stand apart"),
        ("big-xl", "the embedding big-xl is not used: it is for"),
        ("torn-dog", "torn-dog.pt is damaged; copy it again"),
        ("embedding:zebra", "there is no embedding zebra: its letters are used; check the name"),
        ("a photo of a cat, trees and a red house", ""),
        ("my cat", ""),
        ("", ""),
    ],
)
def test_what_looks_meant_is_told_with_the_reason(text: str, told: str) -> None:
    found = words(text)
    assert found.found == ()
    assert [told in str(one.notice) for one in found.missed] == ([True] if told else [])
    for one in found.missed:
        assert text[one.start : one.end] == one.text
    assert list(found.lines()) == (
        [f"warning: {found.missed[0].notice}"] if told else ["no embedding is named"]
    )


def test_a_name_for_several_families_is_used_where_one_fits() -> None:
    both = [Known("my-cat", {"clip_l": 9, "clip_g": 9}, 7), CAT]
    found = words_of("my-cat", both, FakeHost())
    assert [dict(one.vectors) for one in found.found] == [{"clip_l": 2}]
    assert found.missed == ()


def tokenize(text: str) -> list[str]:
    return [text] if "-" not in text else text.split("-")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("a my-cat", "write embedding:my-cat"),
        ("(my-cat:1.2)", "write embedding:my-cat"),
        ("photo,embedding:my-cat", "write a space before embedding:"),
        ("Embedding:my-cat", "write embedding: in lower case"),
        ("embedding:my-cat:1.2", "write a space behind my-cat; strength is (embedding:my-cat:1.2)"),
        ("embedding:my-cat,dog", "write a space behind my-cat"),
        (
            "embedding:other/my-cat",
            "write embedding:styles/my-cat, with the name and folder of its file",
        ),
        ("embedding:MY-CAT", "write embedding:styles/my-cat, with the name and folder of its file"),
        ("embedding:my-cta", "did you mean my-cat?"),
        ("embedding:my-catty", "did you mean my-cat? It must stand apart"),
        ("embedding:nothing", "check the name"),
    ],
)
def test_where_a_prefix_is_needed_its_faults_are_told(text: str, fix: str) -> None:
    known = [Known("my-cat", {"emb_params": 12}, 2, place="styles")]
    (one,) = missed(text, [], known, tokenize, (12,), "embedding:")
    assert fix in one.fix
    read = text.startswith("embedding:")
    assert one.why == ("the name is left out" if read else "its letters are used")


def test_a_word_that_is_used_is_not_missed() -> None:
    known = [Known("my-cat", {"emb_params": 12}, 2)]
    text = "embedding:my-cat, my-cat"
    assert list(missed(text, [(0, 16), (18, 24)], known, tokenize, (12,), "embedding:")) == []


def test_a_library_tells_what_a_prompt_may_mean(tmp_path: object) -> None:
    from pathlib import Path

    import torch

    from ti_core.files.embedding import Embedding
    from ti_core.files.writing import write_embedding

    folder = Path(str(tmp_path))
    write_embedding(
        folder / "my-cat.safetensors", Embedding("my-cat", {"emb_params": torch.ones(2, 12)})
    )
    (folder / "torn-dog.pt").write_bytes(b"")
    library = Library([folder])
    library.refresh()
    found = words_of("my-cat torn-dog", known_of(library), FakeHost())
    assert [one.name for one in found.found] == ["my-cat"]
    assert "torn-dog.pt is empty" in str(found.missed[0].notice)
