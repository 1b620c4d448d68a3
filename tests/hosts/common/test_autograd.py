"""Tensors of inference mode become fit for autograd, wherever they can as the same objects."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ti_core.hosts.common.autograd import renew_inference_tensors


def learn_through(network: nn.Module) -> torch.Tensor:
    """The gradient of an input, which every weight is saved for."""
    x = torch.ones(1, 3, requires_grad=True)
    network(x).sum().backward()
    assert x.grad is not None
    return x.grad


def test_weights_made_in_inference_mode_can_be_learned_through() -> None:
    with torch.inference_mode():
        network = nn.Linear(3, 2)
    weight = network.weight
    renew_inference_tensors(network)
    assert network.weight is weight
    assert torch.equal(learn_through(network), network.weight.detach().sum(0, keepdim=True))


@pytest.mark.parametrize("trainable", [True, False])
def test_weights_moved_in_inference_mode_stay_the_same_objects_though_a_graph_holds_them(
    trainable: bool,
) -> None:
    network = nn.Linear(3, 2).requires_grad_(trainable)
    weight, values = network.weight, network.weight.detach().clone()
    version = weight._version
    graph = network(torch.ones(1, 3, requires_grad=True))  # kept, as by the last step
    with torch.inference_mode():
        weight.data = weight.data.clone()
    assert weight.is_inference()
    renew_inference_tensors(network)
    assert network.weight is weight
    assert (weight.requires_grad, weight._version) == (trainable, version)
    assert torch.equal(weight, values)
    assert learn_through(network).any()
    assert graph.requires_grad


def test_tied_weights_stay_tied() -> None:
    with torch.inference_mode():
        network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        network[1].weight = network[0].weight
    renew_inference_tensors(network, freeze=True)
    assert network[1].weight is network[0].weight
    assert not network[0].weight.requires_grad
    assert learn_through(network).any()
