"""A prompt as an embedding: its tokens' vectors under one name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from ..errors import EmbeddingError
from ..port.prompt import TOKENS_PER_CHUNK, find_triggers
from .syntax import Join, Name, Text, Tree


def tree_of_text(text: str, names: Iterable[str] = ()) -> Tree:
    """The prompt as a merge expression: its words one behind the other (see `merging`).

    Every character is taken literally: emphasis belongs to the encoder's output and cannot be
    kept in vectors. Whole words of `names` stand for embeddings, as in a prompt.

    Raises EmbeddingError for an empty text, and when it names more embeddings than fit into a
    prompt.
    """
    if not text.strip():
        raise EmbeddingError("the text has no tokens", "", "write a word")
    pieces = find_triggers(text, names)
    if sum(piece.trigger is not None for piece in pieces) > TOKENS_PER_CHUNK:
        why = f"a prompt has room for {TOKENS_PER_CHUNK} vectors in one piece"
        raise EmbeddingError("the text names too many embeddings", why, "use fewer")
    parts: list[Tree] = [
        Name(piece.trigger) if piece.trigger else Text(piece.text) for piece in pieces
    ]
    return reduce(lambda left, right: Join(left, right), parts)
