"""Directional Textual Inversion (DTI): vectors keep their lengths and learn directions only.

Kim et al. 2026 (arXiv 2512.13672). They found that the length of a trained vector grows far beyond
those of words, where a text encoder loses sight of its place in the prompt and turns it ever more
slowly. So each row u of unit length goes down the sphere, by an angle of about the learning rate:

    g = length · ∂loss/∂row - κ · start      κ pulls to the word that training began with
    g = g - <g, u> u                         along the sphere
    u = u - rate · g / (√mean|g|² + ε), then back to unit length

The mean of |g|² has the decay `beta`; with 0, as published, each step is exactly the rate long.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..errors import ConfigError, setting

_EPS = 1e-8


class DirectionalDescent(Optimizer):
    """Turns the rows of (k, width) tensors; keeps the lengths that they have at the first update.

    kappa: strength of the pull to the start, beside the loss; beta: decay of the mean of squares,
    in [0, 1). Raises ValueError for others, ConfigError for a row of zeros, which has no direction.
    """

    def __init__(
        self, parameters: Sequence[Tensor], lr: float = 0.0, kappa: float = 1e-4, beta: float = 0.0
    ) -> None:
        if kappa < 0 or not 0 <= beta < 1:
            raise ValueError("kappa is at least 0, beta from 0 to below 1")
        super().__init__(parameters, {"lr": lr, "kappa": kappa, "beta": beta})
        every = [rows for group in self.param_groups for rows in group["params"]]
        if not all(bool(rows.detach().norm(dim=-1).all()) for rows in every):
            raise ConfigError(
                f"{setting('optimizer_type')} DTI cannot start from zeros",
                "it turns vectors, and a vector of zeros has no direction",
                f"give words as {setting('init_word')}, or choose another optimizer",
            )

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update of every tensor that has a gradient."""
        for group in self.param_groups:
            for rows in group["params"]:
                if rows.grad is not None:
                    state = self.state[rows] or self._begin(rows)
                    _turn(rows, rows.grad, state, group["lr"], group["kappa"], group["beta"])

    def _begin(self, rows: Tensor) -> dict[str, Tensor]:
        length = rows.norm(dim=-1, keepdim=True)
        state = {
            "step": torch.zeros(()),
            "length": length,
            "start": rows / length,
            "square": torch.zeros_like(length),
        }
        self.state[rows] = state
        return state


def _turn(
    rows: Tensor, grad: Tensor, state: dict[str, Tensor], rate: float, kappa: float, beta: float
) -> None:
    """Rows (k, width) in place, by their gradient."""
    state["step"] += 1
    length, count = state["length"], int(state["step"])
    now = rows / length
    slope = grad * length - kappa * state["start"]
    along = slope - (slope * now).sum(dim=-1, keepdim=True) * now
    square = state["square"]
    square.mul_(beta).add_(along.square().sum(dim=-1, keepdim=True), alpha=1 - beta)
    if not rate:  # rounding would move what should stay
        return
    turned = now - rate * along / ((square / (1 - beta**count)).sqrt() + _EPS)
    rows.copy_(turned / turned.norm(dim=-1, keepdim=True) * length)
