"""Which words of the model a vector is nearest to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..events import Notice
from ..port.session import Host, Session
from ..port.spelling import readable
from .vocabulary import pieces

_SAME = 0.95
"""Cosine above which a vector is taken for the word itself: a rule of thumb."""


@dataclass(frozen=True)
class Neighbour:
    """A token of the vocabulary."""

    number: int
    text: str
    """As people read it; see `readable`."""
    cosine: float
    """1 = same direction, 0 = nothing in common, -1 = opposite."""


def nearest_tokens(
    vectors: Mapping[str, Tensor], host: Host, session: Session, count: int = 5
) -> dict[str, list[list[Neighbour]]]:
    """Encoder key → for each vector its nearest tokens, best first; of equals the lower number.

    `vectors` has the keys of the model's encoders, (k, width) each. A vector of zeros points
    nowhere and has no neighbours.
    """
    units = {key: normalize(rows.float().cpu(), dim=1) for key, rows in vectors.items()}
    best = {
        key: (torch.empty(len(u), 0), torch.empty(len(u), 0).long()) for key, u in units.items()
    }
    for start, tables in pieces(host.describe(), session):
        for key, unit in units.items():
            cosines = unit @ normalize(tables[key], dim=1).T
            numbers = torch.arange(start, start + cosines.shape[1]).expand_as(cosines)
            best[key] = _best_of(best[key], (cosines, numbers), count)
    return {key: _neighbours(units[key], *found, host) for key, found in best.items()}


def about_words(step: int, near: Mapping[str, list[list[Neighbour]]]) -> Iterator[Notice]:
    """What to know where vectors are words of the model though they had `step` updates."""
    found = [
        f"{key} {number} is {row[0].text!r} ({row[0].cosine:.2f})"
        for key, rows in near.items()
        for number, row in enumerate(rows)
        if step and row and row[0].cosine >= _SAME
    ]
    if found:
        yield Notice(
            "warning",
            f"vectors point in the direction of words of the model: {', '.join(found)}",
            "training has hardly turned them from where they began, or fell back to a word",
            "write that word instead, or train with more steps or a higher rate",
        )


def _best_of(
    one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor], count: int
) -> tuple[Tensor, Tensor]:
    """(cosines, numbers), (k, count) each, of both; those of `one` have the lower numbers."""
    cosines, numbers = (torch.cat(pair, dim=1) for pair in zip(one, two, strict=True))
    order = cosines.sort(dim=1, descending=True, stable=True).indices[:, :count]
    return cosines.gather(1, order), numbers.gather(1, order)


def _neighbours(
    units: Tensor, cosines: Tensor, numbers: Tensor, host: Host
) -> list[list[Neighbour]]:
    found = []
    for unit, near, ids in zip(units, cosines.tolist(), numbers.tolist(), strict=True):
        texts = [readable(spelling) for spelling in host.token_strings(ids)]
        row = [
            Neighbour(number, text, max(-1.0, min(1.0, cosine)))
            for number, text, cosine in zip(ids, texts, near, strict=True)
        ]
        found.append(row if unit.any() else [])
    return found
