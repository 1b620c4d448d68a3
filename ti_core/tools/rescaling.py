"""Making an embedding weaker or stronger, with its recipe written into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..files.embedding import Embedding, for_encoders
from ..port.session import ModelFacts, Session
from .recording import recipe_before, with_recipe
from .strength import factors_to, scaled, strength_of
from .vocabulary import median_lengths


def rescaled(
    embedding: Embedding, factors: Mapping[str, float], name: str, facts: ModelFacts | None = None
) -> Embedding:
    """A new embedding `name`: every vector times the factor of its key in the file; `facts` are
    those of the model that the factors were measured with, if any.

    Raises EmbeddingError when a number overflows.
    """
    recipe = {"tool": "scale", "factors": dict(factors), "of": recipe_before(embedding)}
    return with_recipe(replace(scaled(embedding, factors), name=name), recipe, [embedding], facts)


def factors_for(
    strength: float, embedding: Embedding, facts: ModelFacts, session: Session
) -> dict[str, float]:
    """Key in the file → the factor that makes its loudest vector `strength` times as long as an
    ordinary word of the model.

    Raises EmbeddingError when it does not fit the model, ConfigError when all vectors are zeros.
    """
    vectors = for_encoders(embedding, facts.widths, embedding.name)
    found = factors_to(strength, strength_of(vectors, median_lengths(facts, session)))
    if set(found) == set(embedding.vectors):
        return found
    return dict(zip(embedding.vectors, found.values(), strict=True))
