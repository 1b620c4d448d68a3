"""What two embeddings have in common, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ..files.embedding import Embedding, file_keys, widths_of


@dataclass(frozen=True)
class VectorDifference:
    """One pair of vectors."""

    cosine: float
    """1 = same direction; 0 where one of them is zeros."""
    lengths: tuple[float, float]
    distance: float
    """Length of the difference."""


@dataclass(frozen=True)
class EmbeddingDiff:
    """Two embeddings side by side."""

    counts: tuple[int, int]
    """Vectors of each."""
    widths: tuple[dict[str, int], dict[str, int]]
    """Key in the file → width, of each; vectors are compared under keys and widths of both."""
    steps: tuple[int, int]
    vectors: dict[str, list[VectorDifference]]
    """Key → the pairs, as far as both have vectors."""
    metadata: dict[str, tuple[str | None, str | None]]
    """Key → both values, where they differ; None where one lacks it."""
    equal: bool
    """Vectors are the same, bit for bit; names, steps and metadata do not count."""


def diff(one: Embedding, two: Embedding) -> EmbeddingDiff:
    """Compare vector i with vector i, and metadata key by key."""
    a, b = file_keys(one.vectors), file_keys(two.vectors)
    alike = [key for key in a if key in b and a[key].shape[1] == b[key].shape[1]]
    return EmbeddingDiff(
        counts=(one.count, two.count),
        widths=(widths_of(a), widths_of(b)),
        steps=(one.step, two.step),
        vectors={key: _pairs(a[key], b[key]) for key in alike},
        metadata=_differences(one.metadata, two.metadata),
        equal=set(a) == set(b) and all(torch.equal(a[key], b[key]) for key in a),
    )


def _pairs(a: Tensor, b: Tensor) -> list[VectorDifference]:
    count = min(len(a), len(b))
    a, b = a[:count].double(), b[:count].double()
    cosines = cosine_similarity(a, b, dim=1, eps=1e-300).clamp(-1, 1)
    lengths = zip(a.norm(dim=1).tolist(), b.norm(dim=1).tolist(), strict=True)
    distances = (a - b).norm(dim=1).tolist()
    return [
        VectorDifference(cosine, pair, distance)
        for cosine, pair, distance in zip(cosines.tolist(), lengths, distances, strict=True)
    ]


def _differences(
    one: dict[str, str], two: dict[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    keys = sorted({*one, *two})
    return {key: (one.get(key), two.get(key)) for key in keys if one.get(key) != two.get(key)}
