"""Embeddings made of others, with their recipes: what the command line and panels share."""

from __future__ import annotations

from dataclasses import replace

from ..errors import EmbeddingError
from ..families import OUTPUT
from ..files.embedding import OF_ALL_TABLES, Embedding, file_keys
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


def without_tables(embedding: Embedding, keys: str) -> Embedding:
    """The embedding without the tables under these keys, with commas between them, and without what
    its file told of all of them together; the embedding itself for no keys.

    Raises EmbeddingError for a key that it does not have, and when nothing would be left.
    """
    dropped = [key.strip() for key in keys.split(",") if key.strip()]
    if not dropped:
        return embedding
    has = ", ".join(embedding.vectors)
    for key in dropped:
        if key not in embedding.vectors:
            raise EmbeddingError(f"{embedding.name} has no table {key!r}", "", f"it has {has}")
    rows = {key: table for key, table in embedding.vectors.items() if key not in dropped}
    if all(key.endswith(OUTPUT) for key in rows):
        what = f"nothing would be left of {embedding.name}"
        raise EmbeddingError(what, f"it has {has}", "leave out fewer tables")
    told = {key: text for key, text in embedding.metadata.items() if key not in OF_ALL_TABLES}
    return replace(embedding, vectors=file_keys(rows), metadata=told)
