"""What the network's output means, and its noise; a model mixes one of each."""

from __future__ import annotations

import torch
from torch import nn


class EPS:
    """Noise."""


class V_PREDICTION(EPS):  # noqa: N801
    """v."""


class EDM(V_PREDICTION):
    """Something else, though it is made of v."""


class ModelSamplingDiscrete(nn.Module):
    """One σ for each timestep."""

    def __init__(self) -> None:
        super().__init__()
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        kept = torch.cumprod(1 - betas, 0)
        self.register_buffer("sigmas", ((1 - kept) / kept).sqrt().float())


def mixed(kind: type) -> nn.Module:
    """As reForge makes it."""
    made: nn.Module = type("ModelSampling", (ModelSamplingDiscrete, kind), {})()
    return made
