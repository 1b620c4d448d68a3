"""Draws of noise and latents, as functions of (seed, step, slot).

`slot` is the place in the update's batch. All draws are made on the CPU, so that every host and
every resumed run sees the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.config import LatentSampling
from ..randomness import generator


def noise_like(latent: Tensor, seed: int, step: int, slot: int, offset: float = 0.0) -> Tensor:
    """Standard normal noise in the shape of one latent (channels, h, w); with an `offset`, as much
    of one more number for each channel is in it (N. Guttenberg 2023, kohya's `noise_offset`)."""
    noise = torch.randn(latent.shape, generator=generator(seed, "noise", step, slot))
    if not offset:
        return noise
    source = generator(seed, "noise offset", step, slot)
    return noise + offset * torch.randn((latent.shape[0], 1, 1), generator=source)


def draw_latent(
    posterior: Tensor, index: int, method: LatentSampling, seed: int, step: int, slot: int
) -> Tensor:
    """The latent (channels, h, w) of image `index`: A1111's "once", "deterministic" or "random".

    posterior: (2, channels, h, w), mean and standard deviation.
    """
    mean, std = posterior
    if method == "deterministic":
        return mean
    place = (index,) if method == "once" else (step, slot)
    noise = torch.randn(mean.shape, generator=generator(seed, "posterior", *place))
    return mean + std * noise
