"""How loud an embedding is, and making it quieter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import ConfigError, EmbeddingError
from ti_core.families import FAMILIES
from ti_core.files.embedding import Embedding
from ti_core.hosts.fake import FakeHost
from ti_core.port.prompt import read_emphasis
from ti_core.port.session import Session
from ti_core.tools.strength import (
    VERDICTS,
    Strength,
    factor_of_brackets,
    factors_to,
    scaled,
    strength_of,
    verdict,
)
from ti_core.tools.vocabulary import median_lengths

from .conftest import vocabulary_of


@pytest.mark.parametrize(
    ("ratio", "word"),
    [
        (0, "weak"),
        (0.499, "weak"),
        (0.5, "normal"),
        (1, "normal"),
        (1.999, "normal"),
        (2, "strong"),
        (4.999, "strong"),
        (5, "overtrained"),
        (1e9, "overtrained"),
    ],
)
def test_verdicts_change_at_the_documented_strengths(ratio: float, word: str) -> None:
    assert verdict(ratio) == word
    assert word in VERDICTS


@pytest.mark.parametrize(
    ("ratios", "word"),
    [
        ({"clip_l": [1.0, 0.1]}, "normal"),
        ({"clip_l": [0.1, 0.2]}, "weak"),
        ({"clip_l": [1.0, 1.0], "clip_g": [1.0, 6.0]}, "overtrained"),
    ],
)
def test_the_loudest_vector_of_any_encoder_decides(
    ratios: dict[str, list[float]], word: str
) -> None:
    assert Strength(ratios).verdict == word


def test_strength_is_length_beside_the_vocabularys_median() -> None:
    found = strength_of({"clip_l": torch.tensor([[3.0, 4.0], [0.0, 0.0]])}, {"clip_l": 2.0})
    assert found.ratios == {"clip_l": [2.5, 0.0]}


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_median_is_that_of_the_whole_table(family: str) -> None:
    host = FakeHost(family=FAMILIES[family])
    with host.session() as session:
        found = median_lengths(host.describe(), session)
    tables = {key: vocabulary_of(host, key) for key in host.widths}
    assert found == {k: pytest.approx(t.norm(dim=1).median().item()) for k, t in tables.items()}


def test_brackets_weigh_what_they_weigh_in_a_prompt() -> None:
    """A1111's golden value: `[[[[[x]]]]]` is 0.621."""
    assert factor_of_brackets(5) == pytest.approx(0.6209, abs=1e-4)
    for count in range(5):
        (piece,) = read_emphasis("[" * count + "x" + "]" * count)
        assert factor_of_brackets(count) == pytest.approx(piece.weight)
        (piece,) = read_emphasis("(" * count + "x" + ")" * count)
        assert factor_of_brackets(-count) == pytest.approx(piece.weight)


def test_scaling_changes_vectors_only() -> None:
    before = Embedding("x", {"clip_l": torch.ones(2, 3), "clip_g": torch.ones(2, 4)}, 7, {"a": "b"})
    after = scaled(before, {"clip_l": 0.5, "clip_g": -2.0})
    assert (after.name, after.step, after.metadata) == ("x", 7, {"a": "b"})
    assert after.vectors["clip_l"].unique().tolist() == [0.5]
    assert after.vectors["clip_g"].unique().tolist() == [-2.0]
    assert before.vectors["clip_l"].unique().tolist() == [1.0]


def test_a_number_that_overflows_is_refused() -> None:
    with pytest.raises(EmbeddingError, match="too large"):
        scaled(Embedding("x", {"emb_params": torch.full((1, 2), 1e38)}), {"emb_params": 1000.0})


@given(st.floats(0.01, 100), st.lists(st.floats(0.01, 100), min_size=1, max_size=4))
def test_scaled_to_a_strength_the_loudest_vector_has_it(
    strength: float, sizes: list[float]
) -> None:
    rows = torch.tensor(sizes).reshape(-1, 1) * torch.ones(1, 3)
    medians = {"clip_l": 0.7}
    embedding = Embedding("x", {"clip_l": rows})
    factors = factors_to(strength, strength_of(embedding.vectors, medians))
    found = strength_of(scaled(embedding, factors).vectors, medians)
    assert max(found.all_ratios()) == pytest.approx(strength, rel=1e-5)


def test_zeros_cannot_be_made_louder() -> None:
    with pytest.raises(ConfigError, match="zeros"):
        factors_to(1, Strength({"clip_l": [0.0, 0.0]}))


def test_words_of_the_model_are_normal(host: FakeHost, session: Session) -> None:
    medians = median_lengths(host.describe(), session)
    for word in ("tree", "cat", "a tall house"):
        assert strength_of(session.token_embeddings_of(word), medians).verdict == "normal"
