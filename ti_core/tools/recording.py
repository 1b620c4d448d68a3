"""Metadata of embeddings that a tool made: where they come from, and by which recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..families import Family, kind_of
from ..files.embedding import Embedding, for_encoders, widths_of, with_metadata
from ..files.notes import recipe
from ..port.session import ModelFacts

_MODEL = ("ti.base_model", "ti.base_model_hash")
_ARCHITECTURE = "modelspec.architecture"


def with_recipe(
    embedding: Embedding,
    recipe: Mapping[str, object],
    used: Sequence[Embedding] = (),
    facts: ModelFacts | None = None,
) -> Embedding:
    """The embedding with metadata: the recipe (JSON values, no paths) in "ti.config", and what
    all embeddings that it was made of agree on, such as a licence or the model they are for.

    Raises EmbeddingError when there is a model and the vectors do not fit it.
    """
    agreed = _agreed(used)
    if facts is not None:
        for_encoders(embedding, facts.widths, embedding.name)
        agreed = {k: v for k, v in agreed.items() if k != _ARCHITECTURE}
        model = (facts.checkpoint_name, facts.checkpoint_hash)
    else:
        model = (agreed.get(_MODEL[0], ""), agreed.get(_MODEL[1], ""))
    described = with_metadata(embedding, _architecture(embedding, facts), *model, recipe).metadata
    if _ARCHITECTURE in agreed:
        described[_ARCHITECTURE] = agreed[_ARCHITECTURE]
    return replace(embedding, metadata={**agreed, **described})


def recipe_before(embedding: Embedding) -> object:
    """The recipe or the settings that made an embedding, to be kept in a new recipe; or None."""
    return recipe(embedding.metadata)


def _agreed(used: Sequence[Embedding]) -> dict[str, str]:
    if not used:
        return {}
    first, *others = (embedding.metadata for embedding in used)
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def _architecture(embedding: Embedding, facts: ModelFacts | None) -> str:
    if facts is not None:
        return facts.architecture
    kind = kind_of(widths_of(embedding.vectors))
    return kind.release().architecture if isinstance(kind, Family) else ""
