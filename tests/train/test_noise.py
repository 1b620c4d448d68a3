"""Draws of noise and latents."""

from __future__ import annotations

import torch

from ti_core.data.config import LatentSampling
from ti_core.train.noise import draw_latent, noise_like


def test_noise_is_normal() -> None:
    noise = noise_like(torch.zeros(4, 64, 64), 0, 0, 0)
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03


def test_a_latent_is_drawn_once_always_or_never() -> None:
    posterior = torch.stack((torch.zeros(4, 2, 2), torch.ones(4, 2, 2)))

    def draw(method: LatentSampling, index: int, step: int, slot: int = 0) -> torch.Tensor:
        return draw_latent(posterior, index, method, 0, step, slot)

    assert draw("deterministic", 0, 0).any().item() is False
    assert torch.equal(draw("once", 0, 0), draw("once", 0, 7, 3))
    assert not torch.equal(draw("once", 0, 0), draw("once", 1, 0))
    assert torch.equal(draw("random", 0, 5), draw("random", 0, 5))
    assert not torch.equal(draw("random", 0, 5), draw("random", 0, 6))
    assert not torch.equal(draw("random", 0, 5, 0), draw("random", 0, 5, 1))
