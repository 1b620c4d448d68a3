"""Where vectors start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import ConfigError, EmbeddingError
from ti_core.families import SD1, SDXL, Family
from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import EmbeddingConfig, FillRule
from ti_core.train.initialization import Start, fill_rows, starting_rows

WORDS = torch.arange(6.0).reshape(3, 2)
PADDING = torch.tensor([9.0, 9.0])


def start(host: FakeHost | None = None, **changes: Any) -> Start:
    host = host or FakeHost()
    with host.session() as session:
        return starting_rows(EmbeddingConfig(**changes), host.describe(), session)


def order(rule: FillRule, given_: int, count: int) -> list[int]:
    """Which of `given_` rows lies where; -1 is padding."""
    rows = torch.arange(float(given_))[:, None]
    return [int(v) for v in fill_rows(rows, count, rule, torch.tensor([-1.0]))[:, 0]]


@pytest.mark.parametrize(
    ("rule", "given_", "count", "expected"),
    [
        ("stretch", 2, 4, [0, 0, 1, 1]),
        ("stretch", 2, 3, [0, 0, 1]),
        ("stretch", 1, 3, [0, 0, 0]),
        ("stretch", 3, 2, [0, 1]),
        ("cycle", 2, 5, [0, 1, 0, 1, 0]),
        ("cycle", 3, 2, [0, 1]),
        ("pad", 2, 4, [0, 1, -1, -1]),
        ("pad", 3, 2, [0, 1]),
    ],
)
def test_words_are_fitted_to_the_number_of_vectors(
    rule: FillRule, given_: int, count: int, expected: list[int]
) -> None:
    assert order(rule, given_, count) == expected


@given(st.sampled_from(["stretch", "cycle", "pad"]), st.integers(1, 80), st.integers(1, 75))
def test_every_rule_gives_as_many_rows_as_asked_for_and_keeps_the_first(
    rule: FillRule, given_: int, count: int
) -> None:
    found = order(rule, given_, count)
    assert len(found) == count
    assert found[0] == 0
    assert set(range(min(given_, count))) <= set(found)


def test_one_word_gives_its_own_row() -> None:
    host = FakeHost()
    with host.session() as session:
        expected = session.token_embeddings_of("tree")["clip_l"]
    found = start(host, init_word="tree")
    assert torch.equal(found.rows["clip_l"], expected)
    assert found.notices == ()


def test_an_empty_text_gives_zeros_and_a_warning() -> None:
    found = start(init_word=" ", num_vectors_per_token=2)
    assert found.rows["clip_l"].shape == (2, 12)
    assert not found.rows["clip_l"].any()
    assert [notice.level for notice in found.notices] == ["warning"]


def test_words_without_a_vector_are_told() -> None:
    found = start(init_word="one two three", num_vectors_per_token=2)
    assert "3 tokens, and only the first 2" in found.notices[0].what


def test_sdxl_starts_with_both_tables() -> None:
    rows = start(FakeHost(family=SDXL), init_word="tree", num_vectors_per_token=3).rows
    assert {key: tuple(value.shape) for key, value in rows.items()} == {
        "clip_l": (3, 12),
        "clip_g": (3, 20),
    }


def from_file(tmp_path: Path, **changes: Any) -> Start:
    path = tmp_path / "w.safetensors"
    write_embedding(path, Embedding("w", {"emb_params": torch.ones(3, 12)}, 70))
    return start(weights=str(path), **changes)


@pytest.mark.parametrize("count", [1, 3])
def test_a_weights_file_decides_the_number_of_vectors(tmp_path: Path, count: int) -> None:
    rows = from_file(tmp_path, num_vectors_per_token=count).rows["clip_l"]
    assert rows.tolist() == [[1] * 12] * 3


def test_a_weights_file_with_another_number_of_vectors_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds 3 vector\(s\), not 2"):
        from_file(tmp_path, num_vectors_per_token=2)


def test_a_weights_file_for_another_model_is_an_error(tmp_path: Path) -> None:
    from_file(tmp_path)
    with pytest.raises(EmbeddingError, match="12 wide"):
        start(FakeHost(family=SDXL), weights=str(tmp_path / "w.safetensors"))


def test_a_file_of_another_base_model_is_warned_of(tmp_path: Path) -> None:
    path, notes = tmp_path / "x.safetensors", {"ti.base_model_hash": "0" * 10}
    rows = {"clip_l": torch.ones(1, 12)}
    write_embedding(path, Embedding("x", rows, metadata=notes))
    assert start(weights=str(path)).notices == ()
    write_embedding(path, Embedding("x", rows, metadata={"ti.base_model_hash": "a" * 10}))
    (notice,) = start(weights=str(path)).notices
    assert (notice.level, "was made on" in notice.what) == ("warning", True)


@pytest.mark.parametrize(("words", "count"), [("a small red cat", 4), ("tree", 1), ("", 1)])
def test_zero_asks_for_as_many_vectors_as_the_words_have_tokens(words: str, count: int) -> None:
    host = FakeHost()
    assert len(start(host, init_word=words, num_vectors_per_token=0).rows["clip_l"]) == count
    assert max(1, len(host.tokenize(words))) == count


def test_zero_asks_for_no_more_vectors_than_a_chunk_has_places() -> None:
    found = start(init_word="cat " * 80, num_vectors_per_token=0)
    assert len(found.rows["clip_l"]) == 75
    assert "80 tokens, and only the first 75" in str(found.notices[0])


@pytest.mark.parametrize("family", [SD1, SDXL])
def test_what_encoders_make_of_words_is_as_long_as_the_words(family: Family) -> None:
    host = FakeHost(family=family)
    words = start(host, init_word="red cat", num_vectors_per_token=3).rows
    made = start(
        host, init_word="red cat", num_vectors_per_token=3, init_from="encoder", init_rule="stretch"
    ).rows
    with host.session() as session, torch.no_grad():
        context = session.encode_prompts(["red cat"], {}).context[0]
    parts = context.split([rows.shape[1] for rows in words.values()], dim=1)
    for (key, rows), part in zip(words.items(), parts, strict=True):
        assert torch.allclose(made[key].norm(dim=1), rows.norm(dim=1))
        same = torch.cosine_similarity(made[key], part[[1, 1, 2]], dim=1)  # stretched over three
        assert torch.allclose(same, torch.ones(3))


def test_words_of_more_than_a_chunk_are_cut_by_encoders_too() -> None:
    found = start(init_word="a " * 100, num_vectors_per_token=75, init_from="encoder")
    assert {len(rows) for rows in found.rows.values()} == {75}
    assert all(rows.isfinite().all() for rows in found.rows.values())


def test_a_file_tells_that_it_started_from_the_encoder() -> None:
    begun = EmbeddingConfig(init_word="cat", init_from="encoder")
    assert begun.beginning == {"init_word": "cat", "init_rule": "stretch", "init_from": "encoder"}
    assert "init_from" not in EmbeddingConfig(init_word="cat").beginning
