"""What hypernetworks compute: A1111's numbers, and randomness only while training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.hypernetworks.activations import CHOICES, IN_COMFYUI
from ti_core.hypernetworks.applying import Applied, in_turn
from ti_core.hypernetworks.structure import Structure
from ti_core.randomness import Draws

from .made import hypernetwork, tensors

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "hypernetworks.json").read_text())
"""What A1111's own classes make of `tensors` and of this context, at a multiplier of 0.7, and
whether ComfyUI's loader makes the same of the file."""
CONTEXT = torch.cos(torch.arange(12.0)).reshape(2, 2, 3)


def _structure(row: dict[str, Any]) -> Structure:
    return Structure(
        tuple(row["layers"]),
        row["activation"],
        row["layer_norm"],
        row["activate_output"],
        tuple(row["dropout"]),
    )


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: _structure(row).spelled)
def test_keys_and_values_are_those_of_a1111(row: dict[str, Any]) -> None:
    structure = _structure(row)
    keys, values = Applied(structure, tensors(structure, 3), 0.7)(CONTEXT)
    assert keys[1, 1].tolist() == pytest.approx(row["keys"], abs=2e-6)
    assert values[1, 1].tolist() == pytest.approx(row["values"], abs=2e-6)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: _structure(row).spelled)
def test_what_comfyui_reads_otherwise_is_known(row: dict[str, Any]) -> None:
    assert bool(_structure(row).only_a1111()) == (row["comfyui"] != "same")


def test_every_choice_has_been_compared() -> None:
    assert {row["activation"] for row in GOLDEN} == set(CHOICES)
    assert set(CHOICES) > IN_COMFYUI


def test_the_formula_by_hand() -> None:
    structure = Structure((1, 2, 1), "relu")
    one, two = torch.tensor([[2.0], [-3.0]]), torch.tensor([[5.0, 7.0]])
    module = {"linear.0.weight": one, "linear.0.bias": torch.tensor([0.5, 0.0])}
    module |= {"linear.2.weight": two, "linear.2.bias": torch.tensor([0.25])}
    both = {f"1.{side}.{name}": each for side in "kv" for name, each in module.items()}
    keys, _ = Applied(structure, both, 0.5)(torch.tensor([[[1.0], [-2.0]]]))
    # 1 + 0.5 · (5 · 2.5 + 7 · 0 + 0.25), and -2 + 0.5 · (5 · 0 + 7 · 6 + 0.25)
    assert keys.flatten().tolist() == [1 + 0.5 * 12.75, -2 + 0.5 * 42.25]


def test_another_width_is_left_alone() -> None:
    context = torch.randn(1, 5, 8)
    keys, values = Applied(Structure(), tensors(Structure(), 3))(context)
    assert keys is context
    assert values is context


def test_several_work_in_turn_each_on_what_the_one_before_made() -> None:
    plain, norm = Structure(), Structure((1, 1), "tanh", True, True)
    one, two = Applied(plain, tensors(plain, 3), 0.7), Applied(norm, tensors(norm, 3), -0.2)
    keys, values = in_turn([one, two])(CONTEXT)
    between = one(CONTEXT)
    assert torch.equal(keys, two.changed(between[0], between[0])[0])
    assert torch.equal(values, two.changed(between[1], between[1])[1])
    assert not torch.allclose(keys, in_turn([two, one])(CONTEXT)[0])


def test_half_precision_comes_out_as_it_went_in() -> None:
    keys, values = Applied(Structure(), tensors(Structure(), 3))(CONTEXT.half())
    assert (keys.dtype, values.dtype) == (torch.float16, torch.float16)


def test_gradients_reach_every_tensor() -> None:
    made = hypernetwork("a", 3, layers=(1, 2, 2, 1), activation="swish", layer_norm=True)
    leaves = {name: each.requires_grad_() for name, each in made.tensors.items()}
    keys, values = Applied(made.structure, leaves)(CONTEXT)
    (keys.square().sum() + values.pow(3).sum()).backward()
    assert all(each.grad is not None and each.grad.any() for each in leaves.values())


@pytest.mark.parametrize("built", [{"dropout": (0, 0.5, 0)}, {"activation": "rrelu"}])
def test_randomness_is_a_function_of_the_pass(built: dict[str, Any]) -> None:
    structure = Structure((1, 40, 1), **built)
    made = tensors(structure, 3)

    def keys(draws: Draws | None) -> torch.Tensor:
        return Applied(structure, made, draws=draws)(CONTEXT)[0]

    before = torch.get_rng_state()
    first = keys(Draws(0, 5, 1))
    assert torch.equal(first, keys(Draws(0, 5, 1)))
    others = [Draws(1, 5, 1), Draws(0, 6, 1), Draws(0, 5, 2)]
    assert not any(torch.equal(first, keys(each)) for each in others)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(keys(None), keys(None))


def test_dropout_keeps_what_is_expected() -> None:
    structure = Structure((1, 1, 1), dropout=(0, 0.25, 0))
    eye, nothing = torch.eye(64), torch.zeros(64)
    made = {
        f"64.{side}.linear.{number}.{name}": each
        for side in "kv"
        for number in (0, 2)
        for name, each in (("weight", eye), ("bias", nothing))
    }
    context = torch.ones(4, 500, 64)
    keys, values = Applied(structure, made, draws=Draws(0, 0, 0))(context)
    assert (keys - 1).unique().tolist() == pytest.approx([0, 4 / 3])
    assert (keys - 1).mean().item() == pytest.approx(1, abs=0.01)
    assert not torch.equal(keys, values)
