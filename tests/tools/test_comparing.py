"""Two embeddings side by side."""

from __future__ import annotations

import pytest
import torch

from ti_core.files.embedding import Embedding
from ti_core.tools.comparing import diff


def one_of(*rows: list[float], step: int = 0, key: str = "emb_params", **about: str) -> Embedding:
    return Embedding("x", {key: torch.tensor(rows)}, step, about)


def test_equal_vectors_are_told_whatever_else_differs() -> None:
    one = one_of([1.0, 2.0], step=3, a="1", both="2")
    found = diff(one, one_of([1.0, 2.0], step=4, key="clip_l", b="1", both="2"))
    assert found.equal
    assert found.steps == (3, 4)
    assert found.metadata == {"a": ("1", None), "b": (None, "1")}
    assert found.vectors["emb_params"][0].distance == 0


def test_directions_lengths_and_distances_are_told() -> None:
    one = one_of([3.0, 4.0], [1.0, 0.0], [0.0, 0.0], [1e-30, 0.0])
    found = diff(one, one_of([6.0, 8.0], [0.0, 2.0], [1.0, 1.0], [-1e-30, 0.0]))
    pairs = found.vectors["emb_params"]
    assert not found.equal
    assert [pair.cosine for pair in pairs] == pytest.approx([1, 0, 0, -1])
    assert pairs[0].lengths == (5.0, 10.0)
    assert [pair.distance for pair in pairs] == pytest.approx([5, 5**0.5, 2**0.5, 2e-30])


def test_of_different_numbers_of_vectors_the_first_ones_are_compared() -> None:
    found = diff(one_of([1.0, 0.0]), one_of([1.0, 0.0], [0.0, 1.0]))
    assert (found.counts, found.equal) == ((1, 2), False)
    assert [pair.cosine for pair in found.vectors["emb_params"]] == [1]


def test_families_are_compared_where_they_can_be() -> None:
    xl = Embedding("x", {"clip_l": torch.ones(1, 2), "clip_g": torch.ones(1, 3)})
    found = diff(xl, Embedding("x", {"clip_l": torch.ones(1, 2), "clip_g": torch.ones(1, 4)}))
    assert found.widths == ({"clip_l": 2, "clip_g": 3}, {"clip_l": 2, "clip_g": 4})
    assert list(found.vectors) == ["clip_l"]
    assert not found.equal
    assert diff(xl, one_of([1.0, 1.0])).vectors == {}
