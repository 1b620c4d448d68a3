"""The optimisers of the script that trains the demo model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

SCRIPT = Path(__file__).parents[2] / "demo" / "train_optimizer.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_optimizer", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Model(nn.Module):
    """A first and a last layer, and one of each kind between them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.token_embedding = nn.Embedding(7, 4)
        self.conv_in = nn.Conv2d(4, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 8, 3, padding=1)
        self.mix = nn.Linear(8, 8)
        self.conv_out = nn.Conv2d(8, 4, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch knows it

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        seen = self.token_embedding(words)[..., None, None].expand(-1, -1, 6, 6)
        seen = self.inner(self.conv_in(seen)).relu()
        return self.conv_out(self.mix(seen.movedim(1, 3)).movedim(3, 1))


def _learn(script: ModuleType, model: Model, optimiser: object, steps: range) -> list[float]:
    losses = []
    for step in steps:
        model.zero_grad()
        words = torch.randint(0, 7, (5,), generator=torch.Generator().manual_seed(step))
        loss = (model(words) - words.view(-1, 1, 1, 1) / 7).square().mean()
        loss.backward()
        optimiser.step(1e-2)  # type: ignore[attr-defined]
        losses.append(loss.item())
    return losses


def test_muon_has_the_matrices_inside_and_adam_everything_else(script: ModuleType) -> None:
    model = Model()
    optimiser = script.MuonAndAdam(model, 1e-2)
    names = {id(p): name for name, p in model.named_parameters()}
    assert [names[id(p)] for p in optimiser.inner] == ["inner.weight", "mix.weight"]
    kept, free = optimiser.adam.param_groups
    assert [names[id(p)] for p in kept["params"]] == ["conv_in.weight", "conv_out.weight"]
    assert "token_embedding.weight" in {names[id(p)] for p in free["params"]}
    assert (kept["weight_decay"], free["weight_decay"]) == (script.DECAY, 0.0)
    assert len(optimiser.inner) + len(kept["params"]) + len(free["params"]) == len(names)


def test_an_update_of_a_matrix_has_the_size_of_the_rate_in_all_directions(
    script: ModuleType,
) -> None:
    model = Model()
    optimiser, before = script.MuonAndAdam(model, 1e-2), model.mix.weight.detach().clone()
    _learn(script, model, optimiser, range(1))
    values = torch.linalg.svdvals(before - model.mix.weight.detach())
    assert float(values.max() / values.median()) < 3
    assert float((before - model.mix.weight.detach()).square().mean().sqrt()) == pytest.approx(
        0.2 * 1e-2, rel=0.5
    )


def test_every_parameter_moves_and_the_loss_falls(script: ModuleType) -> None:
    model = Model()
    before = [p.detach().clone() for p in model.parameters()]
    losses = _learn(script, model, script.MuonAndAdam(model, 1e-2), range(60))
    assert losses[-1] < losses[0] / 2
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_going_on_from_a_saved_state_is_the_same_as_not_having_stopped(script: ModuleType) -> None:
    whole, first = Model(), Model()
    _learn(script, whole, script.MuonAndAdam(whole, 1e-2), range(8))
    stopped = script.MuonAndAdam(first, 1e-2)
    _learn(script, first, stopped, range(5))
    again = Model()
    resumed = script.MuonAndAdam(again, 1e-2)
    again.load_state_dict(first.state_dict())
    resumed.load_state_dict(stopped.state_dict())
    _learn(script, again, resumed, range(5, 8))
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
