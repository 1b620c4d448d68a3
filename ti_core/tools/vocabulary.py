"""A model's vocabulary as tables of vectors, a piece at a time.

The whole of it is 49,408 rows: 400 MB for SDXL's two encoders. A piece is 33 MB.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..port.session import ModelFacts, Session

PIECE = 4096
"""Rows at a time."""


def pieces(facts: ModelFacts, session: Session) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """(number of the first token, encoder key → (n, width) fp32 on the CPU), n ≤ PIECE.

    Tokens that only one encoder of several has are left out; no known model has such.
    """
    count = min(encoder.vocabulary for encoder in facts.encoders)
    for start in range(0, count, PIECE):
        rows = session.token_embeddings_at(range(start, min(start + PIECE, count)))
        yield start, {key: value.cpu() for key, value in rows.items()}


def lengths(facts: ModelFacts, session: Session) -> dict[str, Tensor]:
    """Encoder key → (n,) Euclidean length of each row, fp32 on the CPU."""
    found: dict[str, list[Tensor]] = {key: [] for key in facts.widths}
    for _, tables in pieces(facts, session):
        for key, rows in tables.items():
            found[key].append(rows.norm(dim=1))
    return {key: torch.cat(parts) for key, parts in found.items()}


def median_lengths(facts: ModelFacts, session: Session) -> dict[str, float]:
    """Encoder key → the usual length of a vocabulary row; about 0.4 for SD1's clip_l."""
    return {key: float(found.median()) for key, found in lengths(facts, session).items()}
