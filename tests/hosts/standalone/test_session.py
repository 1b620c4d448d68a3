"""Images, prediction, previews, and a model that is given back as it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.checkpoints import tiny, write_single_file
from tests.hosts.conftest import OpenHost, in_fp32
from ti_core.diffusion import Ddpm
from ti_core.errors import ConfigError, DataError, HostBusyError, HostError, HostMemoryError
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.port.session import SAMPLERS, PreviewRequest, Session

FAMILIES = ("sd1", "sd2", "sdxl")
REQUEST = PreviewRequest("a cat", "ugly", width=64, height=32, steps=3, seed=7)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- images and prediction --------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_images_become_the_autoencoders_scaled_posterior(open_host: OpenHost, name: str) -> None:
    host, pixels = open_host(name), noise(2, 3, 64, 32).clamp(-1, 1)
    vae: Any = host.model.vae
    with torch.no_grad(), in_fp32(host):
        posterior = vae.encode(pixels).latent_dist
    with host.session() as session:
        latent = session.encode_images(pixels)
    assert latent.mean.shape == (2, 4, 8, 4)
    assert torch.equal(latent.mean, posterior.mean * host.describe().latent.scale)
    assert torch.equal(latent.std, posterior.std * host.describe().latent.scale)
    assert not latent.mean.requires_grad


def test_pixels_that_do_not_fit_are_refused(open_host: OpenHost) -> None:
    with open_host("sd1").session() as session:
        for shape in ((1, 3, 60, 64), (1, 1, 64, 64), (3, 64, 64)):
            with pytest.raises(DataError, match="cannot be encoded"):
                session.encode_images(torch.zeros(shape))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_predictions_are_differentiable_in_any_precision(
    open_host: OpenHost, name: str, precision: Any
) -> None:
    with open_host(name).session(precision) as session:
        vectors = {k: v.requires_grad_() for k, v in session.token_embeddings_of("cat").items()}
        encoded = session.encode_prompts(["a x", "x"], {"x": vectors})
        output = session.predict(noise(2, 4, 8, 8), torch.tensor([3, 999]), encoded)
        assert (output.shape, output.dtype) == ((2, 4, 8, 8), torch.float32)
        output.square().mean().backward()
    for tensor in vectors.values():
        assert tensor.grad is not None
        assert tensor.grad.dtype == torch.float32
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0


def test_half_precision_is_near_the_full_one(open_host: OpenHost) -> None:
    outputs = {}
    for precision in ("no", "bf16", "fp16"):
        with open_host("sd1").session(precision) as session, torch.no_grad():
            encoded = session.encode_prompts(["a cat"], {})
            outputs[precision] = session.predict(noise(1, 4, 8, 8), torch.tensor([500]), encoded)
    assert torch.allclose(outputs["no"], outputs["bf16"], atol=0.1)
    assert torch.allclose(outputs["no"], outputs["fp16"], atol=0.02)
    assert not torch.equal(outputs["no"], outputs["bf16"])


# --- hypernetworks ----------------------------------------------------------------------------


def test_a_hypernetwork_that_changes_nothing_changes_nothing(open_host: OpenHost) -> None:
    with open_host("sd1").session() as session, torch.no_grad():
        encoded = session.encode_prompts(["a cat"], {})
        given = (noise(1, 4, 8, 8), torch.tensor([500]), encoded)
        plain = session.predict(*given)
        assert torch.equal(plain, session.predict(*given, lambda x: (x, x)))


def test_a_hypernetwork_sees_every_attention_once(open_host: OpenHost) -> None:
    widths: list[int] = []

    def watch(x: Tensor) -> tuple[Tensor, Tensor]:
        widths.append(x.shape[-1])
        return x, x

    with open_host("sd1").session() as session, torch.no_grad():
        encoded = session.encode_prompts(["a cat"], {})
        session.predict(noise(1, 4, 8, 8), torch.tensor([5]), encoded, watch)
    # Per level: one block down and two up, each with self and cross attention; one in the middle.
    assert len(widths) == 2 * (2 * 3 + 1)
    assert widths.count(64) == 3 + 1
    assert widths.count(32) == 3 + 7  # self-attention of width 32, and the text


@pytest.mark.parametrize("half", [0, 1])
def test_gradients_reach_both_halves_of_a_hypernetwork(open_host: OpenHost, half: int) -> None:
    factor = torch.ones((), requires_grad=True)

    def scale(x: Tensor) -> tuple[Tensor, Tensor]:
        return (x * factor, x) if half == 0 else (x, x * factor)

    with open_host("sd1").session() as session:
        encoded = session.encode_prompts(["a cat"], {})
        output = session.predict(noise(1, 4, 8, 8), torch.tensor([500]), encoded, scale)
        output.square().mean().backward()
    assert factor.grad is not None
    assert factor.grad.abs() > 0


# --- previews ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_untrained_embedding_gives_the_words_picture(
    open_host: OpenHost, name: str, sampler: str
) -> None:
    host = open_host(name)
    request = replace(REQUEST, sampler=sampler)
    with host.session() as session:
        vectors = session.token_embeddings_of("cat")
        word = session.preview(request, {})[0]
        trigger = session.preview(replace(request, prompt="a MyCat"), {"mycat": vectors})[0]
        other = session.preview(replace(request, prompt="a house"), {})[0]
    assert word.size == (64, 32)
    assert word.mode == "RGB"
    assert word.tobytes() == trigger.tobytes()
    assert word.tobytes() != other.tobytes()


def test_previews_are_what_diffusers_pipeline_makes(open_host: OpenHost) -> None:
    import numpy as np
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    host = open_host("sd1")
    model, words = host.model, host.model.encoders[0].vocabulary.tokenizer
    words.model_max_length = 77
    pipeline = StableDiffusionPipeline(
        vae=model.vae,
        text_encoder=model.encoders[0].model,
        tokenizer=words,
        unet=model.unet,
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    with host.session() as session:
        ours = session.preview(replace(REQUEST, sampler="DDIM", steps=4), {})[0]
    generator = torch.Generator().manual_seed(REQUEST.seed)
    with in_fp32(host):
        theirs = pipeline(
            "a cat",
            negative_prompt="ugly",
            width=64,
            height=32,
            num_inference_steps=4,
            guidance_scale=REQUEST.cfg_scale,
            generator=generator,
        ).images[0]
    difference = np.abs(np.asarray(ours, dtype=int) - np.asarray(theirs, dtype=int))
    assert difference.max() <= 1


def test_picture_i_has_seed_plus_i(open_host: OpenHost) -> None:
    with open_host("sd1").session() as session:
        three = session.preview(replace(REQUEST, count=3), {})
        second = session.preview(replace(REQUEST, seed=8), {})[0]
    assert len({image.tobytes() for image in three}) == 3
    assert three[1].tobytes() == second.tobytes()


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_guidance_and_prediction_type_matter(tmp_path: Path, prediction: Any) -> None:
    path = write_single_file(tmp_path / "x.safetensors", tiny("sd2"))
    host = DiffusersHost.open(path, device="cpu", prediction=prediction)
    with host.session() as session:
        strong = session.preview(REQUEST, {})[0]
        alone = session.preview(replace(REQUEST, cfg_scale=1), {})[0]
        unheard = session.preview(replace(REQUEST, cfg_scale=1, negative_prompt="b"), {})[0]
    assert strong.tobytes() != alone.tobytes()
    assert alone.tobytes() == unheard.tobytes()


def test_zero_terminal_snr_gives_finite_pictures(open_host: OpenHost) -> None:
    model = open_host("sdxl").model
    before = model.diffusion
    model.diffusion = Ddpm((*before.alphas_cumprod[:-1], 0.0), "v_prediction")
    try:
        with open_host("sdxl").session() as session:
            assert session.preview(REQUEST, {})[0].getextrema() != ((0, 0),) * 3
    finally:
        model.diffusion = before


@pytest.mark.parametrize(
    "change", [{"sampler": "Nonsense"}, {"width": 60}, {"steps": 0}, {"height": 0}]
)
def test_impossible_previews_are_refused(open_host: OpenHost, change: dict[str, Any]) -> None:
    with open_host("sd1").session() as session, pytest.raises(ConfigError):
        session.preview(replace(REQUEST, **change), {})


def test_nothing_disturbs_the_global_random_state(open_host: OpenHost) -> None:
    before = torch.get_rng_state()
    with open_host("sd1").session() as session:
        use_everything(session)
    assert torch.equal(before, torch.get_rng_state())


# --- the model is given back as it was found --------------------------------------------------


def use_everything(session: Session) -> None:
    vectors = {k: v.requires_grad_() for k, v in session.token_embeddings_of("cat").items()}
    latent = session.encode_images(torch.zeros(1, 3, 32, 32)).mean
    encoded = session.encode_prompts(["a x"], {"x": vectors})
    session.release("text_encoder")
    output = session.predict(latent, torch.tensor([5]), encoded, lambda x: (x, x))
    output.sum().backward()
    session.release("vae")
    session.preview(replace(REQUEST, sampler="Euler a"), {"x": vectors}, lambda x: (x, x))


def snapshot(host: DiffusersHost) -> list[object]:
    """All that a session might change, tensors by value."""
    found: list[object] = [torch.get_rng_state().tolist()]
    for network in host.model.networks():
        for name, module in network.named_modules():
            hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
            found.append((name, type(module), module.training, [list(h) for h in hooks]))
            found.append(sorted(key for key in vars(module) if key != "_is_hf_initialized"))
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            grad = None if tensor.grad is None else tensor.grad.sum().item()
            flags = (tensor.requires_grad, tensor.dtype, str(tensor.device), id(tensor))
            found.append((name, flags, grad, tensor.detach().sum().item(), tensor._version))
    return found


@contextmanager
def unchanged(host: DiffusersHost) -> Iterator[None]:
    """Whatever happens inside, the host's model is the same afterwards."""
    unet = host.model.unet
    some = unet.get_submodule("mid_block")
    some.train()  # states that a session must change, and put back
    parameter = next(unet.parameters()).requires_grad_()
    before = snapshot(host)
    try:
        yield
        assert snapshot(host) == before
    finally:
        some.eval()
        parameter.requires_grad_(False)


@pytest.mark.parametrize("name", ["sd1", "sdxl"])
def test_after_success_everything_is_as_before(open_host: OpenHost, name: str) -> None:
    with unchanged(open_host(name)), open_host(name).session() as session:
        use_everything(session)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_after_an_exception_everything_is_as_before(
    open_host: OpenHost, error: type[BaseException]
) -> None:
    host = open_host("sd1")

    def fail() -> None:
        with host.session() as session:
            session.encode_prompts(["a cat"], {})
            session.release("vae")
            raise error

    with unchanged(host), pytest.raises(error):
        fail()


PLACES: dict[str, Callable[[DiffusersHost], nn.Module]] = {
    "text encoder": lambda host: host.model.encoders[0].core.get_submodule("final_layer_norm"),
    "UNet": lambda host: host.model.unet.get_submodule("conv_out"),
    "VAE": lambda host: host.model.vae.get_submodule("decoder.conv_out"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "error",
    [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")],
)
def test_running_out_of_memory_anywhere_leaves_no_trace(
    open_host: OpenHost, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    host = open_host("sd1")

    def fail(*inputs: object) -> Tensor:
        raise error

    with unchanged(host), monkeypatch.context() as patch:
        patch.setattr(PLACES[place](host), "forward", fail)
        with pytest.raises(HostMemoryError, match="out of memory"), host.session() as session:
            use_everything(session)


def test_other_errors_of_torch_are_not_renamed(
    open_host: OpenHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = open_host("sd1")

    def fail(*inputs: object) -> Tensor:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(host.model.unet.get_submodule("conv_out"), "forward", fail)
    with pytest.raises(RuntimeError, match="defect"), host.session() as session:
        use_everything(session)


def test_only_one_session_is_open_at_a_time(open_host: OpenHost) -> None:
    host = open_host("sd1")
    with host.session() as session:
        with pytest.raises(HostBusyError, match="busy"), host.session():
            pass
        session.token_embeddings_of("cat")
    with host.session():
        pass


def test_a_closed_session_cannot_be_used(open_host: OpenHost) -> None:
    with open_host("sd1").session() as session:
        pass
    with pytest.raises(HostError, match="closed"):
        session.token_embeddings_of("cat")


def test_an_unknown_precision_is_refused(open_host: OpenHost) -> None:
    with pytest.raises(ConfigError, match="fp8"), open_host("sd1").session("fp8"):  # type: ignore[arg-type]
        pass


def test_rows_are_copies(open_host: OpenHost) -> None:
    with open_host("sd1").session() as session:
        rows = session.token_embeddings_of("red cat")["clip_l"]
        rows.zero_()
        assert session.token_embeddings_of("red cat")["clip_l"].abs().sum() > 0
        assert session.token_embeddings_of("")["clip_l"].shape == (0, 32)
