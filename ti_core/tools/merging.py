"""From the tree of a merge expression to vectors.

Rules, all of them Embedding Merge's: in a sum the shorter part is filled up with zero vectors;
every operation is done alike for every text encoder; parts for different families of models do
not go together.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import EmbeddingError
from ..families import label_of
from ..files.embedding import MOST_VECTORS, widths_of
from .sources import KeyRows
from .syntax import Join, Name, Pick, Resize, Scale, Sum, Text, Token, Tree, Turn, unparse

Lookup = Callable[[Text | Name | Token], KeyRows]


def evaluate(tree: Tree, vectors_of: Lookup) -> KeyRows:
    """The vectors of an expression, at least one and finite.

    Raises EmbeddingError when parts do not fit together or nothing usable is left; what
    `vectors_of` raises goes through.
    """
    rows = evaluate_part(tree, vectors_of)
    count = len(next(iter(rows.values())))
    if count == 0:
        raise EmbeddingError(f"{unparse(tree)} has no vectors", "", "use text with a word in it")
    if not all(torch.isfinite(value).all() for value in rows.values()):
        raise EmbeddingError(f"{unparse(tree)} is too large for a number", "", "scale it down")
    return rows


def evaluate_part(tree: Tree, vectors_of: Lookup) -> KeyRows:
    """As `evaluate`, for a part of an expression: there may be no vectors."""
    if isinstance(tree, (Text, Name, Token)):
        return vectors_of(tree)
    if isinstance(tree, (Join, Sum)):
        left, right = (
            evaluate_part(tree.left, vectors_of),
            evaluate_part(tree.right, vectors_of),
        )
        _check_kinds(tree, left, right)
        return {key: _combined(tree, left[key], right[key]) for key in left}
    inside = evaluate_part(tree.of, vectors_of)
    return {key: _changed(tree, rows) for key, rows in inside.items()}


def _combined(tree: Join | Sum, left: Tensor, right: Tensor) -> Tensor:
    if isinstance(tree, Sum):
        longest = max(len(left), len(right))
        left, right = _resized(left, longest), _resized(right, longest)
        return left - right if tree.minus else left + right
    if len(left) + len(right) > MOST_VECTORS:
        why = f"it has {len(left) + len(right)} vectors, {MOST_VECTORS} are possible"
        raise EmbeddingError(f"{unparse(tree)} is too long", why, "use fewer vectors")
    return torch.cat([left, right])


def _changed(tree: Scale | Resize | Turn | Pick, rows: Tensor) -> Tensor:
    if isinstance(tree, Scale):
        return rows / tree.number if tree.divide else rows * tree.number
    if isinstance(tree, Resize):
        return _resized(rows, tree.count)
    if isinstance(tree, Turn):
        return rows.roll(tree.by, dims=0) if len(rows) else rows
    picked = rows[tree.start : tree.stop]
    if len(picked) == 0:
        why = f"{unparse(tree.of)} has {len(rows)} vectors, counted from 0"
        raise EmbeddingError(f"{unparse(tree)} picks nothing", why, "pick some of these")
    return picked


def _resized(rows: Tensor, count: int) -> Tensor:
    missing = rows.new_zeros(max(0, count - len(rows)), rows.shape[1])
    return torch.cat([rows[:count], missing])


def _check_kinds(tree: Join | Sum, left: KeyRows, right: KeyRows) -> None:
    if widths_of(left) != widths_of(right):
        raise EmbeddingError(
            f"{unparse(tree.left)} and {unparse(tree.right)} do not fit together",
            f"the first is for {_kind(left)}, the second for {_kind(right)}",
            "merge embeddings, and words of a model, of one family",
        )


def _kind(rows: KeyRows) -> str:
    widths = widths_of(rows)
    return label_of(widths) or f"vectors {' and '.join(map(str, widths.values()))} wide"
