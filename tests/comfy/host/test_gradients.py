"""What is in the way of autograd in ComfyUI, and that it is out of the way."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.comfy import program
from tests.comfy.host.learning import gradients, loss, noise, some_rows
from tests.comfy.pack import pack_module
from ti_core.errors import ConfigError
from ti_core.hosts.common.autograd import keep_inputs, renew_inference_tensors


def autograd() -> Any:
    return pack_module("comfy_nodes.host.autograd")


def manager() -> Any:
    return sys.modules["comfy.model_management"]


def close(one: Any, two: Any) -> bool:
    return all(torch.allclose(one[k], two[k], rtol=1e-4, atol=1e-9) for k in one)


# --- the traps are there ------------------------------------------------------------------------


def test_weights_come_from_a_loader_in_inference_mode(load: Any) -> None:
    unet = load("sdxl-v" if not program.is_real() else "sd1").model.model.diffusion_model
    assert all(p.is_inference() or _raises(lambda p=p: p._version) for p in unet.parameters())


def _raises(ask: Any) -> bool:
    try:
        ask()
    except RuntimeError:
        return True
    return False


def test_a_text_encoder_spoils_what_its_normalisations_have_saved(load: Any) -> None:
    """And silently where a block is computed anew; see host/autograd.py."""
    loaded = program.use(load("sd1", False))
    model = loaded.clip.cond_stage_model.clip_l
    renew_inference_tensors(model, freeze=True)
    row = (noise(768 if program.is_real() else 12) * 0.3).requires_grad_()
    chunk = [model.special_tokens["start"], row, *[model.special_tokens["end"]] * 75]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        model([chunk])[0].sum().backward()
    with keep_inputs(model):
        model([chunk])[0].square().sum().backward()
    assert row.grad is not None


@pytest.mark.skipif(program.is_real(), reason="the real one chooses by the machine")
def test_the_attention_of_choice_has_no_backward_pass(load: Any) -> None:
    block = load("sd1").model.model.diffusion_model.middle_block[1]
    renew_inference_tensors(block, freeze=True)
    x, context = noise(1, 16, 8, 8), noise(1, 77, 12).requires_grad_()
    assert not block(x, context, {}).requires_grad or context.grad is None
    block(x, context, autograd().attention_with_backward()).sum().backward()
    assert context.grad is not None


# --- and are gone -------------------------------------------------------------------------------


@pytest.mark.parametrize("inference", [True, False])
def test_gradients_are_the_same_wherever_the_loader_ran(
    load: Any, host_of: Any, inference: bool
) -> None:
    expected = gradients(host_of(load("sd1", False)))
    assert close(gradients(host_of(load("sd1", inference))), expected)


def test_a_node_may_open_a_session_in_inference_mode(load: Any, host_of: Any) -> None:
    host = host_of(load("sd1"))
    expected = gradients(host)
    with torch.inference_mode():
        with host.session() as session:
            assert not torch.is_inference_mode_enabled()
            rows = some_rows(host)
            loss(session, rows).backward()
        assert torch.is_inference_mode_enabled()
    assert close({k: v.grad for k, v in rows.items()}, expected)


def test_weights_spoiled_by_a_load_within_a_session_are_mended(load: Any, host_of: Any) -> None:
    host = host_of(load("sd1"))
    rows, again = some_rows(host), some_rows(host)
    with host.session() as session:
        loss(session, rows).backward()
        with torch.inference_mode():  # what a sampler of another model does
            for parameter in host._model.model.parameters():
                parameter.data = parameter.data.clone()
        session.encode_images(noise(1, 3, 64, 64).clamp(-1, 1))
        loss(session, again).backward()
    assert all(torch.equal(rows[k].grad, again[k].grad) for k in rows)  # type: ignore[arg-type]


def spoiled(how: str) -> nn.Linear:
    """A layer with weights that autograd refuses."""
    with torch.inference_mode():
        layer = nn.Linear(3, 3)
    if how == "moved out of inference mode":
        layer = layer.to(torch.float64).to(torch.float32)
    if how == "moved within it":
        layer = nn.Linear(3, 3)
        with torch.inference_mode():
            layer = layer.to(torch.float64).to(torch.float32)
    return layer


WAYS = ["created within it", "moved out of inference mode", "moved within it"]


@pytest.mark.parametrize("how", WAYS)
def test_rebuilding_keeps_memory_and_objects(how: str) -> None:
    layer = spoiled(how)
    x = noise(2, 3).requires_grad_()
    with pytest.raises(RuntimeError, match=r"[Ii]nference"):
        layer(x).sum().backward()
    weight, place, value = layer.weight, layer.weight.data_ptr(), layer.weight.tolist()
    layer.weight.grad = None
    renew_inference_tensors(layer, freeze=True)
    assert layer.weight is weight
    assert (layer.weight.data_ptr(), layer.weight.tolist()) == (place, value)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None


def test_a_weight_that_somebody_watches_gets_another_object() -> None:
    layer = spoiled("created within it")
    watched = weakref.ref(layer.weight)
    weight = layer.weight
    renew_inference_tensors(layer, freeze=True)
    assert watched() is weight is not layer.weight
    assert layer.weight.data_ptr() == weight.data_ptr()
    layer(noise(2, 3).requires_grad_()).sum().backward()


def test_tensors_of_other_kinds_are_left_alone() -> None:
    class Packed(Tensor):
        pass

    layer = nn.Linear(2, 2)
    with torch.inference_mode():
        packed = nn.Parameter(torch.ones(2, 2).as_subclass(Packed), requires_grad=False)
    layer._parameters["weight"] = packed
    renew_inference_tensors(layer, freeze=True)
    assert layer.weight is packed
    assert packed.is_inference()


# --- memory for gradients -----------------------------------------------------------------------


def hypernetwork(context: Tensor) -> tuple[Tensor, Tensor]:
    return context * 1.5, context * 0.5


@pytest.mark.parametrize("extra", [None, hypernetwork])
def test_blocks_computed_anew_give_the_same_gradients(
    load: Any, host_of: Any, monkeypatch: pytest.MonkeyPatch, extra: Any
) -> None:
    host = host_of(load("sd1"))
    found = []
    for anew in (False, True):
        session = pack_module("comfy_nodes.host.session")
        monkeypatch.setattr(session, "weights_are_temporary", lambda *a, anew=anew: anew)
        found.append(gradients(host, hypernetwork=extra))
    assert close(*found)


def test_a_text_encoder_in_half_precision_is_computed_anew(
    load: Any, host_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autograd would keep every weight that is cast for a call."""
    seen: list[str] = []
    checkpointing = pack_module("ti_core.hosts.common.checkpointing")
    real = checkpointing._wrap

    def watch(block: nn.Module, inside: Any) -> Any:
        seen.append(type(block).__name__)
        return real(block, inside)

    monkeypatch.setattr(checkpointing, "_wrap", watch)
    host = host_of(load("sd1"))
    gradients(host)
    assert set(seen) == {"CLIPLayer"}
    gradients(host, "bf16")
    assert set(seen) == {"CLIPLayer", "ResBlock", "BasicTransformerBlock"}


def test_half_precision_points_the_same_way(load: Any, host_of: Any) -> None:
    host = host_of(load("sd1"))
    full, half = gradients(host), gradients(host, "bf16")
    for key, value in full.items():
        assert torch.cosine_similarity(value.flatten(), half[key].flatten(), dim=0) > 0.98


def test_an_impossible_precision_is_refused(load: Any, host_of: Any) -> None:
    with (
        pytest.raises(ConfigError, match="no precision 'fp8'"),
        host_of(load("sd1")).session("fp8"),
    ):
        pass


def test_a_bigger_step_asks_for_more_room_and_a_smaller_one_for_nothing(
    load: Any, host_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, asked = host_of(load("sd1")), []
    real = manager().load_models_gpu

    def watch(models: Any, memory_required: float = 0, **options: Any) -> None:
        asked.append((len(models), memory_required))
        real(models, memory_required=memory_required, **options)

    with host.session() as session, torch.no_grad():
        conditioning = session.encode_prompts(["a"], {})
        monkeypatch.setattr(manager(), "load_models_gpu", watch)
        for side in (8, 8, 16, 8):
            session.predict(noise(1, 4, side, side), torch.tensor([5]), conditioning)
    assert [count for count, _ in asked] == [2, 2]
    assert 0 < asked[0][1] < asked[1][1]


# --- newer ComfyUI ------------------------------------------------------------------------------


def test_newer_programs_are_told_that_this_is_training(
    load: Any, host_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_of(load("sd1"))
    monkeypatch.setattr(manager(), "in_training", False, raising=False)
    with pytest.raises(ValueError, match="x"), host.session():  # noqa: PT012
        assert manager().in_training is True
        raise ValueError("x")
    assert manager().in_training is False
    monkeypatch.delattr(manager(), "in_training")
    with host.session():
        assert not hasattr(manager(), "in_training")
