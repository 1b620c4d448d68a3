"""DTI is that of its authors, and never changes a length."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ti_core.errors import ConfigError
from ti_core.hosts.fake import FakeHost
from ti_core.randomness import generator
from ti_core.train.directional import DirectionalDescent
from ti_core.train.plan import make_plan

from ..conftest import Configure
from .test_resume import in_one_go


def as_published(
    rows: Tensor, gradients: list[Tensor], rate: float, kappa: float, beta: float
) -> Tensor:
    """Rows of unit length by the steps of `SphericalSGD.step` (kunheek/dti, src/dti/optim.py), with
    the start as the target of its regularization and ε = 1e-8."""
    found, target, moment = rows.clone(), rows.clone(), torch.zeros(len(rows), 1)
    for step, gradient in enumerate(gradients, 1):
        slope = gradient.sub(target, alpha=kappa)
        slope = slope - (slope * found).sum(dim=-1, keepdim=True) * found
        moment.mul_(beta).add_(slope.square().sum(dim=-1, keepdim=True), alpha=1 - beta)
        slope = slope / torch.sqrt(moment / (1 - beta**step)).add(1e-8)
        found.add_(slope, alpha=-rate)
        found.div_(torch.linalg.norm(found, dim=-1, keepdim=True))
    return found


def drawn(number: int, rows: int = 3, width: int = 16) -> Tensor:
    return torch.randn(rows, width, generator=generator(number, "directional"))


@pytest.mark.parametrize("length", [1.0, 0.4, 30.0])
@pytest.mark.parametrize(("kappa", "beta"), [(0.0, 0.0), (1e-4, 0.0), (0.5, 0.0), (1e-4, 0.99)])
def test_it_equals_the_authors_code(length: float, kappa: float, beta: float) -> None:
    """A row is its length times a direction, so that the direction's gradient is the row's times
    the length."""
    start = torch.nn.functional.normalize(drawn(0))
    gradients = [drawn(step) for step in range(1, 41)]
    rows = (start * length).requires_grad_()
    optimizer = DirectionalDescent([rows], lr=0.02, kappa=kappa, beta=beta)
    for gradient in gradients:
        rows.grad = gradient / length
        optimizer.step()
    wanted = as_published(start, gradients, 0.02, kappa, beta)
    assert torch.allclose(rows.detach() / length, wanted, rtol=0, atol=1e-6)


def test_each_update_turns_by_the_rate() -> None:
    rows = drawn(1).requires_grad_()
    before = torch.nn.functional.normalize(rows.detach())
    rows.grad = drawn(2) * 1e-3
    DirectionalDescent([rows], lr=0.1, kappa=0.0).step()
    cosines = (before * torch.nn.functional.normalize(rows.detach())).sum(dim=-1)
    assert torch.allclose(cosines.acos(), torch.tensor(0.1).atan().expand(3), atol=1e-3)


def test_lengths_stay(configure: Configure) -> None:
    rows = (drawn(3) * torch.tensor([[0.1], [1.0], [20.0]])).requires_grad_()
    lengths = rows.detach().norm(dim=-1)
    optimizer = DirectionalDescent([rows], lr=0.3)
    for step in range(200):
        rows.grad = drawn(100 + step)
        optimizer.step()
    assert torch.allclose(rows.detach().norm(dim=-1), lengths, rtol=1e-5)


def test_zeros_have_no_direction(configure: Configure) -> None:
    with pytest.raises(ConfigError, match="DTI cannot start from zeros"):
        in_one_go(configure, optimizer_type="DTI", init_word="", learning_rate="0.01")


@pytest.mark.parametrize("arguments", ["beta=1", "kappa=-1"])
def test_arguments_have_ranges(configure: Configure, arguments: str) -> None:
    settings = {"optimizer_type": "DTI", "learning_rate": "0.01", "optimizer_args": arguments}
    with pytest.raises(ConfigError, match="cannot be used"):
        make_plan(configure(**settings), FakeHost())
