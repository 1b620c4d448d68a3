"""What kind of model is lent, and what is refused with words."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.comfy import program
from ti_core.errors import HostError, UnsupportedModelError

only_stand_in = pytest.mark.skipif(program.is_real(), reason="needs models that can be bent")
KINDS = {
    "sd1": ("sd1", "epsilon", 512, ("clip_l",)),
    "sd1-inpaint": ("sd1", "epsilon", 512, ("clip_l",)),
    "sd2": ("sd2", "epsilon", 512, ("clip_h",)),
    "sd2-v": ("sd2", "v_prediction", 768, ("clip_h",)),
    "sdxl": ("sdxl", "epsilon", 1024, ("clip_l", "clip_g")),
    "sdxl-v": ("sdxl", "v_prediction", 1024, ("clip_l", "clip_g")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_is_known_by_its_parts(load: Any, host_of: Any, kind: str) -> None:
    facts = host_of(load(kind), name="my-model").describe()
    keys = tuple(encoder.key for encoder in facts.encoders)
    found = facts.family.id, facts.diffusion.prediction, facts.resolution, keys
    assert found == KINDS[kind]
    assert (facts.checkpoint_name, facts.checkpoint_hash) == ("my-model", "")
    assert len(facts.diffusion.alphas_cumprod) == 1000


def test_the_noise_schedule_is_that_of_the_core(load: Any, host_of: Any) -> None:
    from ti_core.hosts.standalone.checkpoint.noise_schedule import stable_diffusion_alphas

    ours = host_of(load("sd1")).describe().diffusion.alphas_cumprod
    assert ours == pytest.approx(stable_diffusion_alphas().tolist(), rel=1e-6)


def test_a_terminal_snr_of_zero_is_zero_again(load: Any, host_of: Any) -> None:
    from ti_core.hosts.standalone.checkpoint.noise_schedule import stable_diffusion_alphas

    ours = host_of(load("sdxl-v")).describe().diffusion.alphas_cumprod
    assert ours[-1] == 0
    theirs = stable_diffusion_alphas(zero_terminal_snr=True).tolist()
    assert ours[:-1] == pytest.approx(theirs[:-1], rel=1e-2, abs=1e-8)


def test_without_a_name_the_family_is_told(load: Any, host_of: Any) -> None:
    assert host_of(load("sd1")).describe().checkpoint_name


def test_a_patched_sampling_counts(load: Any, host_of: Any) -> None:
    loaded, v = load("sd2"), load("sd2-v")
    patched = loaded.model.clone()
    if program.is_real():
        patched.add_object_patch("model_sampling", v.model.model.model_sampling)
    else:
        patched.object_patches["model_sampling"] = v.model.model.model_sampling
    told = host_of(program.Loaded(patched, loaded.clip, loaded.vae)).describe()
    assert told.diffusion.prediction == "v_prediction"


def test_model_and_clip_of_different_families_are_refused(load: Any, host_of: Any) -> None:
    one, other = load("sd1"), load("sd2")
    with pytest.raises(
        UnsupportedModelError, match=r"do not belong together.*take both from one checkpoint"
    ):
        host_of(program.Loaded(one.model, other.clip, one.vae))


def test_no_clip_is_refused(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    with pytest.raises(HostError, match="CLIP"):
        host_of(program.Loaded(loaded.model, None, loaded.vae))


def bent(model: Any, **changes: Any) -> Any:
    """A MODEL whose network is another."""
    twin, network = copy(model), copy(model.model)
    for name, value in changes.items():
        network.__dict__.pop(name, None)
        network._modules = {k: v for k, v in network._modules.items() if k != name}
        object.__setattr__(network, name, value)
    twin.model = network
    return twin


def with_unet(model: Any, **changes: Any) -> Any:
    unet = model.model.diffusion_model
    parts = {"in_channels": unet.in_channels, "input_blocks": unet.input_blocks, **changes}
    return bent(model, diffusion_model=SimpleNamespace(**parts))


def sampling(denoise: Callable[..., Any], count: int = 1000, skip: int = 1) -> Any:
    sigmas = torch.linspace(0.03, 14.6, count)
    steps = lambda sigma: (sigma[:, None] - sigmas).abs().argmin(1) * skip  # noqa: E731
    return SimpleNamespace(calculate_denoised=denoise, sigmas=sigmas, timestep=steps)


@only_stand_in
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: with_unet(m, in_channels=8), "edits other images"),
        (lambda m: bent(m, diffusion_model=SimpleNamespace()), "of another kind"),
        (lambda m: bent(m, adm_channels=2048), "unCLIP"),
        (lambda m: bent(m, model_sampling=sampling(lambda s, out, x: out)), "neither noise"),
        (lambda m: bent(m, model_sampling=sampling(lambda s, out, x: x + s * out)), "neither"),
        (lambda m: bent(m, model_sampling=sampling(lambda s, o, x: x - s * o, 50, 20)), "schedule"),
    ],
    ids=["instruct-pix2pix", "flux", "unclip", "x0", "edm", "distilled"],
)
def test_what_does_not_fit_is_refused_politely(
    load: Any, host_of: Any, change: Any, why: str
) -> None:
    loaded = load("sd1")
    with pytest.raises(HostError, match=why) as caught:
        host_of(program.Loaded(change(loaded.model), loaded.clip, loaded.vae))
    assert caught.value.fix


@only_stand_in
@pytest.mark.parametrize("parts", [("clip_l", "t5xxl"), ("clip_g",), ("clip_l", "clip_g", "t5xxl")])
def test_other_text_encoders_are_refused(load: Any, host_of: Any, parts: tuple[str, ...]) -> None:
    """Flux, the SDXL refiner, SD 3."""
    loaded = load("sdxl")
    clip = copy(loaded.clip)
    clip.cond_stage_model = torch.nn.ModuleDict(
        {name: getattr(loaded.clip.cond_stage_model, name, torch.nn.Linear(2, 2)) for name in parts}
    )
    with pytest.raises(HostError, match="SD 1"):
        host_of(program.Loaded(loaded.model, clip, loaded.vae))
