"""Do the tensors move? The last part of the alive check: a gradient alone teaches nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import NotMovingError, setting

UPDATES = 20
"""After so many updates, whatever rounding takes has added up."""


class Movement:
    """Compares every tensor with what it was some updates ago, once."""

    def __init__(self, names: Sequence[str], leaves: Sequence[Tensor], optimizer: str) -> None:
        self._names, self._leaves, self._optimizer = names, leaves, optimizer
        self.begin()

    def begin(self) -> None:
        """Count from here; also after a return to an earlier state."""
        self._before = [leaf.detach().clone() for leaf in self._leaves]
        self._left = UPDATES

    def count(self, rate: float) -> None:
        """An update was made; one at a rate of 0 (warm-up) moves nothing, and does not count."""
        self._left -= self._left > 0 and rate > 0
        self._rate = rate

    def require(self) -> None:
        """Raise NotMovingError when it is time and a tensor is still where it was, bit for bit."""
        if self._left or not self._before:
            return
        pairs = zip(self._names, self._leaves, self._before, strict=True)
        still = [name for name, leaf, before in pairs if torch.equal(leaf.detach(), before)]
        self._before = []
        if still:
            raise NotMovingError(
                f"{', '.join(still)} did not move in {UPDATES} steps",
                "there is a gradient: the optimizer does nothing with it, or the learning rate "
                f"({self._rate:g}) is lost in rounding",
                f"raise {setting('learning_rate')}, or choose another {setting('optimizer_type')} "
                f"than {self._optimizer}",
            )
