"""Samplers held against an equation whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.diffusion import Ddpm
from ti_core.errors import ConfigError
from ti_core.hosts.common.sampling import check_request, sample
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import SAMPLERS, ModelFacts, PreviewRequest

SPREAD = 0.6
"""σ of the latents that the ideal network below was trained on."""


@pytest.fixture(params=["epsilon", "v_prediction"])
def facts(request: Any, tmp_path_factory: pytest.TempPathFactory) -> ModelFacts:
    """The noise schedule of SD 1.5."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = tuple(torch.cumprod(1 - betas, 0).tolist())
    known = FakeHost(tmp_path_factory.mktemp("x")).describe()
    return replace(known, diffusion=Ddpm(kept, request.param))


def alphas_of(facts: ModelFacts) -> tuple[float, ...]:
    assert isinstance(facts.diffusion, Ddpm)
    return facts.diffusion.alphas_cumprod


def ideal(facts: ModelFacts) -> Any:
    """The best network for latents that are normal numbers times `SPREAD`."""
    kept = torch.tensor(alphas_of(facts))
    logs = ((1 - kept) / kept).sqrt().log()

    def network(scaled: Tensor, timestep: Tensor) -> Tensor:
        low = timestep.long().clamp(max=998)
        sigma = torch.lerp(logs[low], logs[low + 1], timestep - low).exp()
        x = scaled * (1 + sigma**2).sqrt()
        clean = x * SPREAD**2 / (SPREAD**2 + sigma**2)
        if facts.diffusion.prediction == "epsilon":
            return (x - clean) / sigma
        return (scaled / (1 + sigma**2).sqrt() - clean) * (1 + sigma**2).sqrt() / sigma

    return network


def request(**changes: Any) -> PreviewRequest:
    return replace(PreviewRequest("", width=64, height=64, steps=80), **changes)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "Euler a"])
def test_samplers_solve_the_equation(facts: ModelFacts, sampler: str) -> None:
    """dx/dσ = (x - D(x, σ))/σ has the solution x ∝ √(spread² + σ²)."""
    device = torch.device("cpu")
    found = sample(facts, request(sampler=sampler), 7, device, ideal(facts))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7))
    last = alphas_of(facts)[-1]
    sigma = ((1 - last) / last) ** 0.5
    start = noise * (1 + sigma**2) ** 0.5
    answer = start * SPREAD / (SPREAD**2 + sigma**2) ** 0.5
    assert torch.allclose(found, answer, rtol=0.05, atol=0.01)


def test_ancestral_sampling_ends_with_the_right_spread(facts: ModelFacts) -> None:
    given = request(sampler="Euler a", width=512, height=512)
    found = sample(facts, given, 7, torch.device("cpu"), ideal(facts))
    assert float(found.std()) == pytest.approx(SPREAD, rel=0.1)


def test_guidance_goes_away_from_the_negative_prompt(facts: ModelFacts) -> None:
    outputs = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1).expand(2, 4, 8, 8)
    device = torch.device("cpu")
    two = sample(facts, request(steps=1, cfg_scale=3), 7, device, lambda *_: outputs)
    one = sample(facts, request(steps=1), 7, device, lambda *_: outputs[:1] + 3.0)
    assert torch.equal(one, two)  # 1 + 3·(2 - 1)


@pytest.mark.parametrize("changes", [{"width": 65}, {"steps": 0}, {"height": 0}])
def test_pictures_that_cannot_be_made_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        check_request(request(**changes), 8)
