"""Muon for the matrices inside the networks, AdamW for everything else.

Muon (Jordan et al. 2024) makes every direction of a matrix's update equally long; it reaches in one
third of the steps the colours and shapes of AdamW here, though not its textures. Word tables,
biases and the first and last layers have no business with directions: they keep AdamW.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

DECAY, MOMENTUM, BETAS = 0.01, 0.95, (0.9, 0.99)
#: Parts of the names of matrices that stay with AdamW.
_OUTER = ("conv_in", "conv_out", "embedding", "shapes.", "textures.")


class MuonAndAdam:
    """Both optimisers over all parameters of `model`, with one rate."""

    def __init__(self, model: nn.Module, rate: float) -> None:
        named = list(model.named_parameters())
        self.inner = [p for name, p in named if _is_inner(name, p)]
        matrices = [nn.Parameter(as_matrix(p.detach())) for p in self.inner]
        self.muon = torch.optim.Muon(
            matrices, rate, DECAY, MOMENTUM, adjust_lr_fn="match_rms_adamw"
        )
        outer = [(name, p) for name, p in named if not _is_inner(name, p)]
        self.adam = torch.optim.AdamW(_decayed_apart(outer), rate, betas=BETAS, fused=True)

    def step(self, rate: float) -> None:
        """One update with the gradients that the model has."""
        for optimiser in (self.muon, self.adam):
            for group in optimiser.param_groups:
                group["lr"] = rate
        for matrix, parameter in zip(self.muon.param_groups[0]["params"], self.inner, strict=True):
            matrix.grad = None if parameter.grad is None else as_matrix(parameter.grad)
        self.muon.step()
        self.adam.step()

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """The state of both."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, dict[str, Any]]) -> None:
        """Goes on from `state_dict`."""
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])


def as_matrix(weight: Tensor) -> Tensor:
    """A convolution's weight (out, in, h, w) as (out, h * w * in); others (out, in) as they are.

    A view where the weight lies channels last, so that what is done to it is done to the weight.
    """
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.ndim == 4 else weight


def _is_inner(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and not any(part in name for part in _OUTER)


def _decayed_apart(named: list[tuple[str, nn.Parameter]]) -> list[dict[str, Any]]:
    """Groups for AdamW: no decay for biases, norms and the table of words."""
    free = [p for name, p in named if p.ndim <= 1 or "token_embedding" in name]
    kept = [p for name, p in named if not (p.ndim <= 1 or "token_embedding" in name)]
    return [{"params": kept, "weight_decay": DECAY}, {"params": free, "weight_decay": 0.0}]
