"""Blocks that PyTorch's compiler has made: the same results, in training steps only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from ti_core.errors import HostError
from ti_core.hosts.common.packing import Packing
from ti_core.hosts.standalone import compiled
from ti_core.hosts.standalone.compiled import CompiledBlocks
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.hosts.standalone.session import DiffusersSession
from ti_core.port.session import PreviewRequest, Session

pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"),
]
"""The compiler's own affairs."""
Counter = Any
"""Of what is compiled."""


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    """Without code of its own, which a C++ compiler takes a minute for."""
    torch._dynamo.reset()
    made = CompileCounterWithBackend("aot_eager")
    monkeypatch.setattr(compiled, "BACKEND", made)
    yield made
    torch._dynamo.reset()


@pytest.fixture
def host(models: Callable[[str], Path]) -> DiffusersHost:
    return DiffusersHost.open(models("sd1"), device="cpu", compiles=True)


def learned(session: Session, side: int = 8, hypernetwork: Any = None) -> tuple[Tensor, Tensor]:
    """An output, and the gradient of the vectors."""
    noisy = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(0))
    vectors = {k: v.requires_grad_() for k, v in session.token_embeddings_of("cat").items()}
    encoded = session.encode_prompts(["a zz-thing"], {"zz-thing": vectors})
    output = session.predict(noisy, torch.tensor([500]), encoded, hypernetwork)
    output.square().mean().backward()
    gradients = [rows.grad for rows in vectors.values() if rows.grad is not None]
    assert len(gradients) == len(vectors)
    return output.detach(), torch.cat(gradients, 1)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_step_has_the_same_results_but_for_rounding(
    family: str, models: Callable[[str], Path], counter: Counter
) -> None:
    with DiffusersHost.open(models(family), device="cpu").session() as session:
        plain = learned(session)
    compiles = DiffusersHost.open(models(family), device="cpu", compiles=True)
    with compiles.session() as session:
        found, count = learned(session), counter.frame_count
        again = learned(session)
    assert 0 < count == counter.frame_count, "compiled once"
    assert all(map(torch.equal, found, again))
    for one, other in zip(plain, found, strict=True):
        assert (one - other).norm() <= 1e-5 * one.norm()


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def test_each_size_is_compiled_however_many_there_are(counter: Counter) -> None:
    widths = range(2, 22)  # PyTorch gives up after 8
    network = nn.ModuleList(map(Block, widths))
    blocks = CompiledBlocks(network, frozenset({"Block"}))
    with blocks.used():
        for width, block in zip(widths, network, strict=True):
            block(torch.ones(width, requires_grad=True))
    blocks.close()
    assert counter.frame_count == len(network)


def test_blocks_that_are_computed_again_are_compiled_as_well(
    host: DiffusersHost, counter: Counter
) -> None:
    with host.session() as session:
        kept = learned(session)
        session.save_memory("checkpointing")
        again = learned(session)
    assert all(map(torch.equal, kept, again))


def test_previews_and_hypernetworks_are_computed_as_ever(
    host: DiffusersHost, counter: Counter
) -> None:
    with host.session() as session:
        session.preview(PreviewRequest("a cat", width=64, height=64, steps=2), {})
        learned(session, hypernetwork=lambda context: (context, context))
    assert counter.frame_count == 0


def test_the_model_is_left_as_it_was_found(host: DiffusersHost, counter: Counter) -> None:
    with host.session() as session:
        learned(session)
    assert not any("forward" in vars(module) for module in host.model.unet.modules())


def test_it_is_not_packed_as_well(host: DiffusersHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DiffusersSession, "packing", Packing(large=1))
    with host.session() as session:
        session.pack_weights()
        assert not session.packs_weights
    assert host.features().packs == ()


def test_a_compiler_that_fails_is_named(
    host: DiffusersHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("Cannot find a working triton installation")

    torch._dynamo.reset()
    monkeypatch.setattr(compiled, "BACKEND", missing)
    with host.session() as session:
        with pytest.raises(HostError, match="cannot be compiled") as caught:
            learned(session)
        assert "triton" in caught.value.why
        assert "torch_compile" in caught.value.fix
    assert not any("forward" in vars(module) for module in host.model.unet.modules())
