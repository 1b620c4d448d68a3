"""What a network's output means, and how noisy each timestep is."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EPS:
    """The noise, for a picture x₀ + σ·noise."""

    def calculate_denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        """x₀ (B, 4, h, w)"""
        return x - output * sigma


class V_PREDICTION(EPS):  # noqa: N801
    """√ᾱ·noise - √(1-ᾱ)·x₀"""

    def calculate_denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        """x₀ (B, 4, h, w)"""
        return x / (sigma**2 + 1) - output * sigma / (sigma**2 + 1) ** 0.5


class X0(EPS):
    """The picture itself."""

    def calculate_denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        """x₀ (B, 4, h, w)"""
        return output


class ModelSamplingDiscrete(nn.Module):
    """1000 timesteps; buffers belong to whoever's mode they are made in."""

    sigmas: Tensor

    def __init__(self, zsnr: bool = False) -> None:
        super().__init__()
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        root = torch.cumprod(1 - betas, 0).sqrt()
        if zsnr:
            root = (root - root[-1]) * root[0] / (root[0] - root[-1])
            root[-1] = 4.9e-8**0.5
        self.register_buffer("sigmas", ((1 - root**2) / root**2).sqrt().float())

    def timestep(self, sigma: Tensor) -> Tensor:
        """The nearest."""
        return (sigma.log()[None] - self.sigmas.log()[:, None]).abs().argmin(0)


def sampling(prediction: type[EPS], zsnr: bool = False) -> ModelSamplingDiscrete:
    """Both in one object."""
    return type("ModelSampling", (ModelSamplingDiscrete, prediction), {})(zsnr)
