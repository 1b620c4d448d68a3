"""Randomness as a function of its place."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from ti_core.data.order import epoch_order
from ti_core.diffusion import Ddpm
from ti_core.randomness import generator
from ti_core.train.noise import noise_like

seeds = st.integers(0, 2**63 - 1)

GOLDEN_SEED = 7677475098370515624
GOLDEN_TIMESTEPS = [93, 896, 770, 0, 736]
GOLDEN_ORDER = [4, 1, 2, 3, 0, 0, 3, 2, 1, 4]
GOLDEN_NOISE = [-0.36018, 0.57701, -2.74755, -0.07466]


def test_golden_numbers_do_not_change_between_versions() -> None:
    """Changing one of these breaks the exact resume of every run that users have on disk."""
    assert generator(0, "noise", 0, 0).initial_seed() == GOLDEN_SEED
    thousand = Ddpm((0.5,) * 1000)
    assert [int(thousand.draw_timestep(0, step, 0)) for step in range(5)] == GOLDEN_TIMESTEPS
    assert epoch_order(5, 0, 0) + epoch_order(5, 0, 1) == GOLDEN_ORDER
    noise = noise_like(torch.zeros(4), 0, 0, 0).tolist()
    assert [round(value, 5) for value in noise] == GOLDEN_NOISE


def test_neither_the_global_generator_is_used_nor_touched() -> None:
    before = torch.get_rng_state()
    first = torch.randn(3, generator=generator(1, "noise", 2))
    torch.manual_seed(99)
    assert torch.equal(first, torch.randn(3, generator=generator(1, "noise", 2)))
    torch.set_rng_state(before)
    torch.randn(3, generator=generator(1, "noise", 2))
    assert torch.equal(before, torch.get_rng_state())


@given(seeds, st.text(max_size=8), st.lists(st.integers(0, 10**6), max_size=3))
def test_the_same_place_gives_the_same_numbers(seed: int, purpose: str, place: list[int]) -> None:
    one, two = generator(seed, purpose, *place), generator(seed, purpose, *place)
    assert torch.equal(torch.rand(4, generator=one), torch.rand(4, generator=two))


@given(seeds, st.integers(0, 10**6), st.integers(0, 64))
def test_neighbouring_places_are_unrelated(seed: int, step: int, slot: int) -> None:
    """Also (1, 23) and (12, 3), whose digits are the same."""
    here = generator(seed, "noise", step, slot).initial_seed()
    others = [(step + 1, slot), (step, slot + 1), (step, slot, 0), (int(f"{step}{slot}"),)]
    assert here not in [generator(seed, "noise", *other).initial_seed() for other in others]
    assert here != generator(seed, "timestep", step, slot).initial_seed()
