"""The learnable of textual inversion."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ti_core.hosts.fake import FakeHost
from ti_core.train.config import EmbeddingConfig
from ti_core.train.learnable import restore, snapshot
from ti_core.train.vectors import EmbeddingVectors, norms, to_embedding

CAT = EmbeddingConfig("cat")
WORDS = torch.arange(6.0).reshape(3, 2)


def test_only_the_vectors_are_learned_as_fp32_leaves() -> None:
    given_ = {"clip_l": WORDS.half(), "clip_g": WORDS}
    vectors = EmbeddingVectors(CAT, given_, torch.device("cpu"))
    assert vectors.tensors.keys() == given_.keys()
    for parameter in vectors.tensors.values():
        assert parameter.dtype == torch.float32
        assert parameter.is_leaf
        assert parameter.requires_grad
    with torch.no_grad():
        vectors.tensors["clip_g"].zero_()
    assert WORDS.any(), "the given rows are not shared"


def test_a_snapshot_is_a_copy_and_can_be_put_back() -> None:
    tensors = EmbeddingVectors(CAT, {"clip_l": WORDS}, torch.device("cpu")).tensors
    kept, parameter = snapshot(tensors), tensors["clip_l"]
    with torch.no_grad():
        parameter.zero_()
    restore(tensors, kept)
    assert torch.equal(parameter, WORDS)
    assert tensors["clip_l"] is parameter


def test_lengths_are_told_per_vector() -> None:
    assert norms({"clip_l": torch.tensor([[3.0, 4.0], [0.0, 0.0]])}) == {"clip_l": [5.0, 0.0]}


# --- what the file tells ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {}),
        ({"metadata_license": "CC0-1.0"}, {"modelspec.license": "CC0-1.0"}),
        (
            {"metadata_is_negative_embedding": True},
            {"modelspec.is_negative_embedding": "true"},
        ),
    ],
)
def test_licence_and_use_are_told_if_they_were_given(
    config: dict[str, Any], expected: dict[str, str]
) -> None:
    rows = {"clip_l": torch.ones(1, 12)}
    told = to_embedding("w", rows, 5, FakeHost().describe(), {}, EmbeddingConfig(**config)).metadata
    keys = ("modelspec.license", "modelspec.is_negative_embedding")
    assert {key: told[key] for key in keys if key in told} == expected
