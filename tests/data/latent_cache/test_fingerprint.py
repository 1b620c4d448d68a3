"""A VAE is known by what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.data.latent_cache.fingerprint import vae_facts
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.port.session import LatentDistribution

from .pictures import session


def test_the_same_vae_has_the_same_fingerprint_every_time() -> None:
    assert vae_facts(session(1)) == vae_facts(session(1))
    assert vae_facts(session(1)) != vae_facts(session(2))


def test_the_smallest_change_of_any_weight_changes_it() -> None:
    before = vae_facts(session()).fingerprint
    host = FakeHost()
    for weight in host.vae.parameters():
        flat = weight.data.view(-1)
        for place in range(0, len(flat), 53):
            kept = flat[place].clone()
            flat[place] = torch.nextafter(kept, torch.tensor(9.0)) * 1.0001
            with host.session() as changed:
                assert vae_facts(changed).fingerprint != before
            flat[place] = kept
    with host.session() as restored:
        assert vae_facts(restored).fingerprint == before


class Changed(FakeSession):
    """A session that changes what the VAE gives."""

    def __init__(self, std: float = 0.1, scale: float = 1.0, half: bool = False) -> None:
        super().__init__(FakeHost(), "no")
        self.std, self.scale, self.half = std, scale, half

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """Changed."""
        mean = super().encode_images(pixels).mean * self.scale
        mean = mean.half().float() if self.half else mean
        return LatentDistribution(mean, torch.full_like(mean, self.std))


@pytest.mark.parametrize("change", [{"std": 0.2}, {"scale": 0.18215}, {"half": True}])
def test_scale_spread_and_precision_are_part_of_it(change: dict[str, Any]) -> None:
    assert vae_facts(Changed()) == vae_facts(session())
    assert vae_facts(Changed(**change)).fingerprint != vae_facts(session()).fingerprint


def test_it_tells_the_shape_of_every_latent() -> None:
    facts = vae_facts(session())
    assert (facts.channels, facts.factor) == (4, 8)
    assert facts.shape(64, 128) == (2, 4, 8, 16)


def test_it_leaves_random_numbers_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    vae_facts(session())
    assert torch.equal(before, torch.random.get_rng_state())
