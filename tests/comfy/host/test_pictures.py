"""Pictures in and out, and the model afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.comfy import program
from tests.comfy.host.learning import NAME, loss, noise, some_rows
from tests.comfy.pack import pack_module
from ti_core.errors import ConfigError, DataError, HostBusyError, HostError, NoModelError
from ti_core.port.session import PreviewRequest

REQUEST = PreviewRequest("a cat", width=64, height=64, steps=2, sampler="Euler a")


def manager() -> Any:
    return sys.modules["comfy.model_management"]


def sampled(loaded: program.Loaded, noise_seed: int = 0) -> bytes:
    """A picture as a graph makes it, by ComfyUI alone."""
    comfy_sample = import_module("comfy.sample")
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        texts = []
        for prompt in ("a cat", ""):
            tokens = loaded.clip.tokenize(prompt)
            cond, pooled = loaded.clip.encode_from_tokens(tokens, return_pooled=True)
            size = {"width": 64, "height": 64, "crop_w": 0, "crop_h": 0}
            told = {"pooled_output": pooled, "target_width": 64, "target_height": 64, **size}
            texts.append([[cond, told]])
        latent = comfy_sample.sample(
            loaded.model,
            noise(1, 4, 8, 8, seed=noise_seed),
            3,
            7.0,
            "euler_ancestral",
            "normal",
            *texts,
            torch.zeros(1, 4, 8, 8),
            disable_pbar=True,
            seed=3,
        )
        return loaded.vae.decode(latent).clone().numpy().tobytes()


def train_a_little(host: Any, precision: Any = "no") -> None:
    with host.session(precision) as session:
        session.encode_images(noise(1, 3, 64, 64).clamp(-1, 1))
        session.release("vae")
        rows = some_rows(host)
        loss(session, rows).backward()
        session.preview(REQUEST, {NAME: rows})
        loss(session, rows).backward()


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("lora", [False, True], ids=["plain", "lora"])
def test_a_picture_is_the_same_before_and_after_training(
    load: Any, host_of: Any, lora: bool, precision: str
) -> None:
    plain = load("sd1")
    lent = program.with_lora(plain) if lora else plain
    host = host_of(lent)
    before, before_plain = sampled(lent), sampled(plain)
    assert (before == before_plain) == (not lora)
    train_a_little(host, precision)
    assert sampled(lent) == before
    assert sampled(plain) == before_plain
    train_a_little(host, precision)
    assert sampled(plain) == before_plain  # another patcher's weights are loaded now
    assert sampled(lent) == before


def test_a_lora_of_the_graph_counts(load: Any, host_of: Any) -> None:
    plain = load("sd1")
    patched = program.with_lora(plain)
    found = []
    for lent in (plain, patched, plain):
        host = host_of(lent)
        with host.session() as session, torch.no_grad():
            found.append(float(loss(session, some_rows(host))))
    assert found[0] == found[2] != found[1]


def test_previews_are_what_a_graph_would_make(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    with host_of(loaded).session() as session:
        (ours,) = session.preview(replace(REQUEST, seed=3, steps=3), {})
    pixels = torch.frombuffer(bytearray(sampled(loaded, noise_seed=3)), dtype=torch.float32)
    theirs = (pixels * 255).clamp(0, 255).to(torch.uint8).numpy().tobytes()
    assert ours.tobytes() == theirs


def test_the_spread_of_the_posterior_is_that_of_the_moments(load: Any, host_of: Any) -> None:
    host = host_of(load("sd1"))
    with host.session() as session:
        found = session.encode_images(noise(2, 3, 64, 64).clamp(-1, 1))
    assert (found.std > 0).all()
    assert not torch.allclose(found.mean, found.std)


def test_in_tiles_and_without_moments_the_spread_is_zero(load: Any, host_of: Any) -> None:
    encode = pack_module("comfy_nodes.host.latents").encode
    network = torch.nn.Module()
    plain = SimpleNamespace(
        first_stage_model=network, encode=lambda p: torch.full((len(p), 4, 8, 8), 0.5)
    )
    mean, std = encode(plain, noise(2, 3, 64, 64))
    assert mean.shape == std.shape == (2, 4, 8, 8)
    assert (std == 0).all()
    assert not network._forward_pre_hooks


def test_memory_that_is_too_small_for_a_picture_is_no_end(load: Any, host_of: Any) -> None:
    """ComfyUI encodes in tiles then, which add up in place and in inference mode."""
    host = host_of(load("sd1"))
    vae = host._vae
    place = vae.first_stage_model.encoder
    calls = []

    def once(module: Any, inputs: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    handle = place.register_forward_pre_hook(once)
    try:
        with host.session() as session:
            found = session.encode_images(noise(1, 3, 64, 64).clamp(-1, 1))
    finally:
        handle.remove()
    assert len(calls) > 1
    assert (found.std == 0).all()
    assert not found.mean.is_inference()


def test_without_a_vae_words_can_be_encoded_and_pictures_not(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    host = host_of(program.Loaded(loaded.model, loaded.clip, None))
    with host.session() as session:
        session.token_embeddings_of("a cat")
        session.release("vae")
        for use in (
            lambda: session.encode_images(noise(1, 3, 64, 64)),
            lambda: session.preview(REQUEST, {}),
        ):
            with pytest.raises(NoModelError, match=r"there is no VAE.*connect"):
                use()


def test_an_interrupt_in_a_preview_is_not_forgotten(load: Any, host_of: Any) -> None:
    """The core goes on after a preview that failed; the node must still hear of it."""
    host = host_of(load("sd1"))
    with host.session() as session:
        manager().interrupt_current_processing(True)
        with pytest.raises(manager().InterruptProcessingException):
            session.preview(REQUEST, {})
        with pytest.raises(manager().InterruptProcessingException):
            manager().throw_exception_if_processing_interrupted()
        manager().throw_exception_if_processing_interrupted()
        assert len(session.preview(REQUEST, {})) == 1


@pytest.mark.parametrize("where", ["text", "unet", "backward"])
def test_an_interrupt_in_a_layer_is_not_forgotten(
    load: Any, host_of: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Since 0.28 each of ComfyUI's layers heeds it, those computed anew for backward included."""
    if not hasattr(manager(), "in_training"):
        pytest.skip("no layer of this ComfyUI heeds it")
    host = host_of(load("sd1"))
    with host.session("bf16") as session:
        rows = some_rows(host)
        conditioning = session.encode_prompts([f"a {NAME}"], {NAME: rows})
        found = loss(session, rows)
        use: dict[str, Callable[[], Any]] = {
            "text": lambda: session.encode_prompts(["a cat"], {}),
            "unet": lambda: session.predict(noise(1, 4, 8, 8), torch.tensor([5]), conditioning),
            "backward": found.backward,
        }
        manager().interrupt_current_processing(True)
        with pytest.raises(manager().InterruptProcessingException):
            use[where]()
        with pytest.raises(manager().InterruptProcessingException):
            manager().throw_exception_if_processing_interrupted()


@pytest.mark.parametrize("change", [{"sampler": "x"}, {"width": 60}, {"steps": 0}, {"height": 0}])
def test_impossible_previews_are_refused(load: Any, host_of: Any, change: dict[str, Any]) -> None:
    with host_of(load("sd1")).session() as session, pytest.raises(ConfigError):
        session.preview(replace(REQUEST, **change), {})


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 4, 64, 64), (1, 3, 60, 64)])
def test_pixels_of_another_shape_are_refused(
    load: Any, host_of: Any, shape: tuple[int, ...]
) -> None:
    with host_of(load("sd1")).session() as session, pytest.raises(DataError, match="cannot be"):
        session.encode_images(torch.zeros(shape))


def test_one_session_in_the_whole_process(load: Any, host_of: Any) -> None:
    one, two = host_of(load("sd1")), host_of(load("sd1", False))
    with one.session(), pytest.raises(HostBusyError, match="busy"), two.session():
        pass
    with two.session() as session:
        pass
    with pytest.raises(HostError, match="closed"):
        session.token_embeddings_of("cat")


def test_what_was_loaded_before_is_loaded_afterwards(load: Any, host_of: Any) -> None:
    plain = load("sd1")
    patched = program.with_lora(plain)
    manager().load_models_gpu([patched.model])
    train_a_little(host_of(plain), "bf16")
    assert any(model is patched.model for model in manager().loaded_models())


def test_embeddings_lie_where_comfyui_looks(load: Any, host_of: Any, tmp_path: Any) -> None:
    folders = sys.modules["folder_paths"]
    host = host_of(load("sd1"))
    assert str(host.embeddings_dir()) == folders.get_folder_paths("embeddings")[0]
    assert host_of(load("sd1"), embeddings_dir=tmp_path).embeddings_dir() == tmp_path
