"""What a snapshot puts back that the contract does not see on one device."""

from __future__ import annotations

import torch
from torch import nn

from ti_core.hosts.common.snapshot import ModelSnapshot


def test_buffers_that_were_moved_are_put_back() -> None:
    """`Module.to` gives parameters new memory, but replaces buffers by other tensors."""
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    parameters, buffers = dict(network.named_parameters()), dict(network.named_buffers())
    found = ModelSnapshot([network])
    network.to(torch.float64)
    assert all(network.get_buffer(name) is not buffers[name] for name in ("1.running_mean",))
    found.restore()
    assert all(network.get_buffer(name) is buffer for name, buffer in buffers.items())
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert dict(network.named_parameters()) == parameters
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_where_the_program_moves_its_networks_they_stay_where_they_are() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2))
    found = ModelSnapshot([network], moves=False)
    network.to(torch.float64)
    moved = dict(network.named_buffers())
    found.restore()
    assert all(network.get_buffer(name) is buffer for name, buffer in moved.items())


def test_widening_is_undone_exactly() -> None:
    network = nn.Linear(3, 3).half()
    before = network.weight.detach().clone()
    found = ModelSnapshot([network])
    found.widen([network])
    assert network.weight.dtype == torch.float32
    found.restore()
    assert network.weight.dtype == torch.float16
    assert torch.equal(network.weight, before)
