"""Noise as a thing: forward, backward, and the way between."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ti_core.diffusion import Ddpm, Prediction

LATENT = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
NOISE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
EPSILON = Ddpm(tuple(torch.linspace(0.999, 0.001, 100).tolist()))
V = replace(EPSILON, prediction="v_prediction")
TIMES = torch.tensor([0, 99])


def test_epsilon_is_the_noise_itself() -> None:
    assert torch.equal(EPSILON.noised(LATENT, NOISE, TIMES).target, NOISE)


def test_little_noise_at_the_start_and_little_picture_at_the_end() -> None:
    noisy = EPSILON.noised(LATENT, NOISE, TIMES).noisy
    assert torch.allclose(noisy[0], LATENT[0], atol=0.15)
    assert torch.allclose(noisy[1], NOISE[1], atol=0.15)


def test_picture_and_noise_follow_from_the_noisy_latent_and_v() -> None:
    """x = √ᾱ z - √(1-ᾱ) v and ε = √(1-ᾱ) z + √ᾱ v (Salimans & Ho 2022, appendix D)."""
    batch = V.noised(LATENT, NOISE, TIMES)
    alphas = torch.tensor(V.alphas_cumprod)[TIMES].view(-1, 1, 1, 1)
    signal, spread = alphas.sqrt(), (1 - alphas).sqrt()
    assert torch.allclose(signal * batch.noisy - spread * batch.target, LATENT, atol=1e-5)
    assert torch.allclose(spread * batch.noisy + signal * batch.target, NOISE, atol=1e-5)


@pytest.mark.parametrize("diffusion", [EPSILON, V])
def test_what_was_noised_is_found_again(diffusion: Ddpm) -> None:
    """With the perfect output, `clean` takes back what `noised` did, and σ is the timestep's."""
    batch = diffusion.noised(LATENT, NOISE, TIMES)
    for noisy, time, target, latent in zip(*vars(batch).values(), LATENT, strict=True):
        sigma = diffusion.sigmas()[time]
        x = noisy * diffusion.spread(sigma)
        assert float(diffusion.timestep_of(sigma)) == pytest.approx(float(time), abs=1e-3)
        assert torch.allclose(diffusion.clean(x, target, sigma), latent, atol=1e-3)


def test_a_timestep_between_two_belongs_to_a_sigma_between_theirs() -> None:
    low, high = EPSILON.sigmas()[[40, 41]]
    assert float(EPSILON.timestep_of((low * high).sqrt())) == pytest.approx(40.5, abs=1e-3)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_terminal_snr_of_zero_is_pure_noise_and_has_a_finite_sigma(
    prediction: Prediction,
) -> None:
    ended = Ddpm((*EPSILON.alphas_cumprod[:-1], 0.0), prediction)
    assert torch.equal(ended.noised(LATENT, NOISE, torch.tensor([99, 99])).noisy, NOISE)
    assert torch.isfinite(ended.sigmas()).all()


def test_the_schedule_follows_from_its_sigmas() -> None:
    found = Ddpm.from_sigmas(V.sigmas(), "v_prediction")
    assert found.alphas_cumprod == pytest.approx(V.alphas_cumprod, rel=1e-5)
    assert Ddpm.from_sigmas(V.sigmas(), "epsilon", 0.005).alphas_cumprod[-1] == 0


@given(st.integers(1, 1000), st.integers(0, 2**63 - 1), st.integers(0, 10**6), st.integers(0, 9))
def test_a_timestep_is_one_of_the_model_s(count: int, seed: int, step: int, slot: int) -> None:
    assert 0 <= int(Ddpm((0.5,) * count).draw_timestep(seed, step, slot)) < count


def test_timesteps_are_uniform() -> None:
    ten = Ddpm((0.5,) * 10)
    times = [int(ten.draw_timestep(0, step, 0)) for step in range(2000)]
    assert all(150 < times.count(t) < 250 for t in range(10))
