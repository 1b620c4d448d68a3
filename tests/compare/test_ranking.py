"""The best copy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ti_core.compare.embeddings import EmbeddingCopy
from ti_core.compare.ranking import Rated, best, rate
from ti_core.compare.subject import Copy, Measured
from ti_core.files.embedding import Embedding


def copies(*steps: int) -> list[Copy]:
    vectors = {"emb_params": torch.ones(1, 4)}
    return [EmbeddingCopy(Path(f"a-{n}.pt"), Embedding("a", vectors, n), vectors) for n in steps]


def ratings(losses: list[list[float]]) -> list[Rated]:
    found = copies(*range(100, 100 * len(losses) + 1, 100))
    strengths = [Measured(3.0, "strong")] * len(losses)
    return rate(found, torch.tensor(losses, dtype=torch.float64), strengths)


def test_the_lowest_loss_wins_when_the_difference_is_clear() -> None:
    found = ratings([[3.0, 3.1, 2.9], [2.0, 2.1, 1.9], [1.0, 1.1, 0.9]])
    assert best(found).copy.step == 300
    assert [one.equal for one in found] == [False, False, True]
    assert [round(one.behind, 6) for one in found] == [2.0, 1.0, 0.0]


def test_of_copies_that_cannot_be_told_apart_the_earliest_wins() -> None:
    found = ratings([[3.0, 3.0, 3.0, 3.0], [1.2, 0.9, 1.1, 0.9], [1.0, 1.1, 0.9, 1.0]])
    assert [one.equal for one in found] == [False, True, True]
    assert best(found).copy.step == 200


def test_differences_are_judged_question_by_question() -> None:
    """Hard and easy questions scatter far more than the copies differ; that must not hide it."""
    found = ratings([[10.1, 0.11, 5.1, 1.1], [10.0, 0.01, 5.0, 1.0]])
    assert found[0].error < 1e-6
    assert best(found).copy.step == 200


def test_the_standard_error_is_that_of_the_mean_difference() -> None:
    found = ratings([[2.0, 4.0, 3.0, 3.0], [1.0, 1.0, 1.0, 1.0]])
    assert found[0].behind == 2.0
    assert found[0].error == pytest.approx((2 / 3) ** 0.5 / 2)


def test_one_copy_alone_is_the_best() -> None:
    (only,) = ratings([[1.0]])
    assert best([only]) is only
    assert (only.behind, only.error) == (0.0, 0.0)


def test_a_rating_tells_how_loud_the_copy_is() -> None:
    told = ratings([[1.0, 2.0]])[0].to_dict()
    assert (told["strength"], told["verdict"]) == (3.0, "strong")
    assert told["step"] == 100
