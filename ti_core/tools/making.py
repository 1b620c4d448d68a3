"""Embeddings made of others, with their recipes: what the command line and panels share."""

from __future__ import annotations

from dataclasses import replace

from ..files.embedding import Embedding
from ..port.session import ModelFacts
from .expression import parse
from .merging import evaluate
from .recording import with_recipe
from .sources import Sources
from .syntax import unparse, without_paths


def merge(
    expression: str, name: str, sources: Sources, facts: ModelFacts | None = None
) -> Embedding:
    """The embedding that an expression stands for; `facts` are those of the sources' model.

    Raises ExpressionError for what cannot be read, and what `merging.evaluate` raises.
    """
    tree = parse(expression)
    rows = evaluate(tree, sources.vectors_of)
    recipe = {"tool": "merge", "expression": unparse(without_paths(tree))}
    return with_recipe(Embedding(name, rows), recipe, sources.used, facts)


def convert(embedding: Embedding, name: str) -> Embedding:
    """The same vectors under a name, for another format: what the file told is kept, and what
    our files tell besides is added."""
    named = replace(embedding, name=name)
    told = with_recipe(named, {}, [embedding])
    own = {key: told.metadata[key] for key in ("ti.name", "ti.step", "ti.vectors")}
    return replace(told, metadata={**told.metadata, **embedding.metadata, **own})
