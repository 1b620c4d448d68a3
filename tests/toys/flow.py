"""A flow-matching family, as one record and one class: what it takes to add a new kind of model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ti_core.diffusion import NoisyBatch
from ti_core.families import EncoderSpec, Family, LatentFormat, Release
from ti_core.randomness import generator

TOY_FLOW = Family(
    "toy-flow",
    "Toy flow",
    (EncoderSpec("clip_l", 640, layers=2), EncoderSpec("clip_g", 1024, layers=2, pooled=True)),
    LatentFormat(1.5305, shift=0.0609, channels=16, stride=16),
    (Release("toy-flow-v1", 64, "velocity"),),
)


@dataclass(frozen=True)
class RectifiedFlow:
    """x_t = (1-t) x + t ε with a network that predicts ε - x (Liu et al. 2023, arXiv 2209.03003).

    `shift` moves timesteps towards the noise (Esser et al. 2024, arXiv 2403.03206, section 5.3.2).
    Timesteps are t · 1000, as SD3's network has them.
    """

    shift: float = 1.0
    prediction: str = "velocity"

    def draw_timestep(self, seed: int, step: int, slot: int) -> Tensor:
        """Uniform before the shift."""
        return self.timesteps_at(torch.rand((), generator=generator(seed, "timestep", step, slot)))

    def timesteps_at(self, places: Tensor, parts: int = 1) -> Tensor:
        """See `Diffusion.timesteps_at`."""
        even = places / parts
        return 1000 * self.shift * even / (1 + (self.shift - 1) * even)

    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> NoisyBatch:
        """See `Diffusion.noised`."""
        share = (timesteps / 1000).view(-1, 1, 1, 1)
        return NoisyBatch((1 - share) * latents + share * noise, timesteps, noise - latents)

    def signal_to_noise(self, timesteps: Tensor) -> Tensor:
        """(1-t)²/t²"""
        share = timesteps.double() / 1000
        return ((1 - share) / share) ** 2

    def sigmas(self) -> Tensor:
        """σ = t/(1-t), at timesteps that leave out both ends."""
        share = self.timesteps_at(torch.arange(1, 1000), 1000) / 1000
        return share / (1 - share)

    def spread(self, sigma: Tensor) -> Tensor:
        """1/(1-t)"""
        return 1 + sigma

    def timestep_of(self, sigma: Tensor) -> Tensor:
        """t = σ/(1+σ)"""
        return (1000 * sigma / (1 + sigma)).reshape(1)

    def clean(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """x_t - t · output"""
        return (x - sigma * output) / self.spread(sigma)
