"""How long the vectors may become: as training likes, drawn to a word's length, or just that.

Training lengthens vectors without end, and a vector much longer than a word drowns the rest of the
prompt. Other trainers hold against it: OneTrainer gives vectors the vocabulary's median length
after each update, cloneofsimo's, InvokeAI's and diffusers' advanced scripts draw them there.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..port.session import ModelFacts, Session
from .config import LengthMode

_PULL = 0.1
"""As in diffusers' advanced scripts: each update multiplies by (wanted ÷ length) to this power."""
_ROWS_AT_ONCE = 4096


class LengthRule:
    """Holds the rows of tensors to a length."""

    def __init__(self, mode: LengthMode, wanted: Mapping[str, float]) -> None:
        """`wanted`: encoder key → length; not looked at where the mode is "free"."""
        self._mode, self._wanted = mode, wanted

    @torch.no_grad()
    def apply(self, tensors: Mapping[str, Tensor]) -> None:
        """After an update, in place; a row of zeros stays as it is."""
        if self._mode == "free":
            return
        power = _PULL if self._mode == "pull" else 1.0
        for key, rows in tensors.items():
            lengths = rows.norm(dim=-1, keepdim=True)
            factors = (self._wanted[key] / lengths) ** power
            rows.mul_(torch.where(lengths > 0, factors, torch.ones_like(factors)))

    @property
    def holds_from_the_start(self) -> bool:
        """Whether vectors have their length before the first update."""
        return self._mode in ("mean", "median")


def length_rule(mode: LengthMode, facts: ModelFacts, session: Session) -> LengthRule:
    """The rule for the vocabulary of a model, of which every row is looked at."""
    if mode == "free":
        return LengthRule(mode, {})
    lengths = _vocabulary_lengths(facts, session)
    usual = torch.median if mode == "median" else torch.mean
    return LengthRule(mode, {key: float(usual(found)) for key, found in lengths.items()})


def _vocabulary_lengths(facts: ModelFacts, session: Session) -> dict[str, Tensor]:
    """Encoder key → (vocabulary,) lengths; tokens that one encoder lacks are left out."""
    count = min(encoder.vocabulary for encoder in facts.encoders)
    parts: dict[str, list[Tensor]] = {key: [] for key in facts.widths}
    for start in range(0, count, _ROWS_AT_ONCE):
        piece = session.token_embeddings_at(range(start, min(start + _ROWS_AT_ONCE, count)))
        for key, rows in piece.items():
            parts[key].append(rows.norm(dim=-1).cpu())
    return {key: torch.cat(found) for key, found in parts.items()}
