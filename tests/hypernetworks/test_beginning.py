"""How new hypernetworks begin."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from ti_core.hypernetworks.beginning import beginning
from ti_core.hypernetworks.hypernetwork import shapes
from ti_core.hypernetworks.structure import Structure, WeightInit

WIDE = 256
"""(512, 256): 131,072 numbers, whose deviation is known to half a percent."""


@pytest.mark.parametrize(
    ("init", "activation", "deviation"),
    [
        ("Normal", "relu", 0.01),
        ("XavierNormal", "relu", math.sqrt(2 / 768)),
        ("XavierUniform", "relu", math.sqrt(2 / 768)),
        ("KaimingNormal", "relu", math.sqrt(2 / 256)),
        ("KaimingUniform", "swish", math.sqrt(2 / 256)),
        ("KaimingUniform", "leakyrelu", math.sqrt(2 / 1.0001 / 256)),
    ],
)
def test_weights_are_spread_as_in_torch(
    init: WeightInit, activation: str, deviation: float
) -> None:
    made = beginning(Structure(activation=activation), [WIDE], init, 0)
    weight = made[f"{WIDE}.k.linear.0.weight"]
    assert weight.std().item() == pytest.approx(deviation, rel=0.01)
    assert weight.mean().item() == pytest.approx(0, abs=deviation / 50)
    if init.endswith("Uniform"):
        assert weight.abs().max().item() <= math.sqrt(3) * deviation
        assert weight.abs().max().item() > 1.72 * deviation


@pytest.mark.parametrize("init", get_args(WeightInit))
def test_biases_are_0_and_norms_are_a1111s(init: WeightInit) -> None:
    structure = Structure(layer_norm=True, activation="prelu")
    made = beginning(structure, [WIDE], init, 0)
    assert {name: tuple(each.shape) for name, each in made.items()} == shapes(structure, [WIDE])
    assert not any(each.any() for name, each in made.items() if name.endswith("bias"))
    assert made[f"{WIDE}.v.linear.2.weight"].std().item() == pytest.approx(0.01, rel=0.2)
    assert made[f"{WIDE}.v.linear.1.weight"].tolist() == [0.25]


def test_it_is_a_function_of_the_seed_and_disturbs_nobody() -> None:
    before = torch.get_rng_state()
    one, same, other = (beginning(Structure(), [8, 4], "Normal", seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["4.k.linear.0.weight"], other["4.k.linear.0.weight"])
    assert not torch.equal(one["4.k.linear.0.weight"], one["4.v.linear.0.weight"])
    assert torch.equal(torch.get_rng_state(), before)
