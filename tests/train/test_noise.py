"""Forward diffusion."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from ti_core.train.noise import diffuse, draw_latent, draw_timestep, noise_like

LATENT = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
NOISE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
ALPHAS = torch.linspace(0.999, 0.001, 100)
TIMES = torch.tensor([0, 99])


def test_epsilon_is_the_noise_itself() -> None:
    assert torch.equal(diffuse(LATENT, NOISE, TIMES, ALPHAS, "epsilon").target, NOISE)


def test_little_noise_at_the_start_and_little_picture_at_the_end() -> None:
    noisy = diffuse(LATENT, NOISE, TIMES, ALPHAS, "epsilon").noisy
    assert torch.allclose(noisy[0], LATENT[0], atol=0.15)
    assert torch.allclose(noisy[1], NOISE[1], atol=0.15)


def test_picture_and_noise_follow_from_the_noisy_latent_and_v() -> None:
    """x = √ᾱ z - √(1-ᾱ) v and ε = √(1-ᾱ) z + √ᾱ v (Salimans & Ho 2022, appendix D)."""
    batch = diffuse(LATENT, NOISE, TIMES, ALPHAS, "v_prediction")
    signal = ALPHAS[TIMES].view(-1, 1, 1, 1).sqrt()
    spread = (1 - ALPHAS[TIMES]).view(-1, 1, 1, 1).sqrt()
    assert torch.allclose(signal * batch.noisy - spread * batch.target, LATENT, atol=1e-5)
    assert torch.allclose(spread * batch.noisy + signal * batch.target, NOISE, atol=1e-5)


@given(st.integers(1, 1000), st.integers(0, 2**63 - 1), st.integers(0, 10**6), st.integers(0, 9))
def test_a_timestep_is_one_of_the_model_s(count: int, seed: int, step: int, slot: int) -> None:
    assert 0 <= draw_timestep(count, seed, step, slot) < count


def test_timesteps_are_uniform_and_noise_is_normal() -> None:
    times = [draw_timestep(10, 0, step, 0) for step in range(2000)]
    assert all(150 < times.count(t) < 250 for t in range(10))
    noise = noise_like(torch.zeros(4, 64, 64), 0, 0, 0)
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03


def test_a_latent_is_drawn_once_always_or_never() -> None:
    posterior = torch.stack((torch.zeros(4, 2, 2), torch.ones(4, 2, 2)))

    def draw(method: str, index: int, step: int, slot: int = 0) -> torch.Tensor:
        return draw_latent(posterior, index, method, 0, step, slot)

    assert draw("deterministic", 0, 0).any().item() is False
    assert torch.equal(draw("once", 0, 0), draw("once", 0, 7, 3))
    assert not torch.equal(draw("once", 0, 0), draw("once", 1, 0))
    assert torch.equal(draw("random", 0, 5), draw("random", 0, 5))
    assert not torch.equal(draw("random", 0, 5), draw("random", 0, 6))
    assert not torch.equal(draw("random", 0, 5, 0), draw("random", 0, 5, 1))
