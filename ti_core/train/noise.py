"""Forward diffusion: the noisy latent and what the network should say about it.

All draws are functions of (seed, step, slot), slot being the place in the update's batch, and are
made on the CPU, so that every host and every resumed run sees the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.config import LatentSampling
from ..port.session import Prediction
from ..randomness import generator


@dataclass(frozen=True)
class NoisyBatch:
    """One pass: (B, 4, h, w) fp32 on the CPU, and (B,) int64 timesteps."""

    noisy: Tensor
    timesteps: Tensor
    target: Tensor
    """Epsilon or v, whatever the network predicts."""


def noise_like(latent: Tensor, seed: int, step: int, slot: int) -> Tensor:
    """Standard normal noise in the shape of one latent (4, h, w)."""
    return torch.randn(latent.shape, generator=generator(seed, "noise", step, slot))


def draw_timestep(count: int, seed: int, step: int, slot: int) -> int:
    """A timestep, uniform in [0, count)."""
    source = generator(seed, "timestep", step, slot)
    return int(torch.randint(count, (1,), generator=source))


def draw_latent(
    posterior: Tensor, index: int, method: LatentSampling, seed: int, step: int, slot: int
) -> Tensor:
    """The latent (4, h, w) of picture `index`: A1111's "once", "deterministic" or "random".

    posterior: (2, 4, h, w), mean and standard deviation.
    """
    mean, std = posterior
    if method == "deterministic":
        return mean
    place = (index,) if method == "once" else (step, slot)
    noise = torch.randn(mean.shape, generator=generator(seed, "posterior", *place))
    return mean + std * noise


def diffuse(
    latents: Tensor, noise: Tensor, timesteps: Tensor, alphas_cumprod: Tensor, kind: Prediction
) -> NoisyBatch:
    """x_t = √ᾱ x + √(1-ᾱ) ε (Ho et al. 2020, eq. 4); v = √ᾱ ε - √(1-ᾱ) x (Salimans & Ho 2022).

    latents, noise: (B, 4, h, w); timesteps: (B,); alphas_cumprod: (T,).
    """
    kept = alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    signal, spread = kept.sqrt(), (1 - kept).sqrt()
    target = noise if kind == "epsilon" else signal * noise - spread * latents
    return NoisyBatch(signal * latents + spread * noise, timesteps, target)
