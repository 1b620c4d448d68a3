"""How loud an embedding is beside the words of the model, and making it louder or quieter.

Strength is the length of a vector ÷ the median length in the vocabulary: 1 is an ordinary word.
Training lengthens vectors without end; an embedding that is far too strong drowns the other words
of a prompt, and people tame it with `[[[[[name]]]]]` each time. `scaled` does it for good.

That is an approximation: brackets weigh the text encoder's *output*, this its input. Directions
are kept exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import ConfigError, EmbeddingError
from ..files.embedding import Embedding
from ..port.prompt import SQUARE_FACTOR

WEAK, STRONG, OVERTRAINED = 0.5, 2.0, 5.0
"""Where the verdicts change. The author of Embedding Merge found that words between 0.5 and 1.5
times their length look alike, below 0.5 they fade, that up to 5 is of use, and that above 10 they
break (its README, "Changing weight of individual words"). Twice the usual length is where this
project's survey of complaints calls an embedding too strong. They are rules of thumb."""

VERDICTS = {
    "weak": "it hardly shows in images",
    "normal": "as strong as an ordinary word",
    "strong": "it may push other words of the prompt aside",
    "overtrained": "it overpowers the rest of the prompt; scale it down",
}
"""Verdict → what it means."""


@dataclass(frozen=True)
class Strength:
    """How the vectors of an embedding compare with the vocabulary."""

    ratios: dict[str, list[float]]
    """Encoder key → for each vector, its length ÷ the median length of the vocabulary's."""

    @property
    def loudest(self) -> float:
        """It decides: it is what drowns others, or proves that there is something."""
        return max(self.all_ratios())

    @property
    def verdict(self) -> str:
        """Of the loudest vector."""
        return verdict(self.loudest)

    def all_ratios(self) -> Iterable[float]:
        """Of every vector of every encoder."""
        return (ratio for ratios in self.ratios.values() for ratio in ratios)


def strength_by_lengths(
    lengths: Mapping[str, Iterable[float]], medians: Mapping[str, float]
) -> Strength | None:
    """Strength of vectors of these lengths; None where no vocabulary has usual lengths for them, as
    for a hypernetwork."""
    if not medians:
        return None
    return Strength({key: [n / medians[key] for n in found] for key, found in lengths.items()})


def strength_of(vectors: Mapping[str, Tensor], medians: Mapping[str, float]) -> Strength:
    """Strength of vectors under encoder keys; `medians` from `vocabulary.median_lengths`."""
    found = {key: (rows.norm(dim=1) / medians[key]).tolist() for key, rows in vectors.items()}
    return Strength(found)


def verdict(ratio: float) -> str:
    """The word for a strength: a key of VERDICTS."""
    if ratio < WEAK:
        return "weak"
    if ratio < STRONG:
        return "normal"
    return "strong" if ratio < OVERTRAINED else "overtrained"


def strength_text(ratio: float) -> str:
    """2.31 (strong)"""
    return f"{ratio:.2f} ({verdict(ratio)})"


def scaled(embedding: Embedding, factors: Mapping[str, float]) -> Embedding:
    """Every vector times the factor of its key; name, step and metadata stay.

    Raises EmbeddingError when a number overflows.
    """
    vectors = {key: rows * factors[key] for key, rows in embedding.vectors.items()}
    if not all(rows.isfinite().all() for rows in vectors.values()):
        raise EmbeddingError(f"{embedding.name} is too large for numbers then", "", "scale it less")
    return replace(embedding, vectors=vectors)


def factor_of_brackets(count: int) -> float:
    """What `count` pairs of brackets weigh in A1111: each `[x]` divides by 1.1, so that
    `[[[[[x]]]]]` is 0.6209."""
    return float(SQUARE_FACTOR**count)


def factors_to(strength: float, found: Strength) -> dict[str, float]:
    """Encoder key → the factor after which its loudest vector has this strength.

    Raises ConfigError when all vectors of an encoder are zeros.
    """
    factors = {}
    for key, ratios in found.ratios.items():
        if max(ratios) == 0:
            raise ConfigError(f"the vectors for {key} are zeros", "no factor makes them longer")
        factors[key] = strength / max(ratios)
    return factors
