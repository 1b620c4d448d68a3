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
from ..tools.vocabulary import lengths
from .config import LengthMode

_PULL = 0.1
"""As in diffusers' advanced scripts: each update multiplies by (wanted ÷ length) to this power."""


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
    usual = torch.median if mode == "median" else torch.mean
    found = lengths(facts, session)
    return LengthRule(mode, {key: float(usual(rows)) for key, rows in found.items()})
