"""What kind of model a graph has loaded, or why it cannot be trained here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import comfy.model_base
import torch

from ...ti_core.errors import HostError
from ...ti_core.port.session import Family, ModelFacts, Prediction
from .text import Encoder

_FAMILIES: dict[tuple[str, ...], Family] = {
    ("clip_l",): "sd1",
    ("clip_h",): "sd2",
    ("clip_l", "clip_g"): "sdxl",
}
_INPUT_CHANNELS = {4: "a text-to-image model", 9: "an inpainting model"}
_ALMOST_ZERO = 6e-8
_FIX = "use a checkpoint of SD 1.x, SD 2.x or SDXL"


def facts_of(model: Any, encoders: Sequence[Encoder], name: str) -> ModelFacts:
    """Facts about a MODEL with these text encoders; `name` is the checkpoint's, if known.

    Raises HostError for a model that textual inversion as done here does not fit.
    """
    family = _family(model.model, encoders)
    sampling = model.get_model_object("model_sampling")
    prediction = _prediction(sampling)
    return ModelFacts(
        family=family,
        encoders=tuple(encoder.facts() for encoder in encoders),
        prediction=prediction,
        alphas_cumprod=_alphas(sampling),
        latent_scale=float(model.model.latent_format.scale_factor),
        resolution=_resolution(family, prediction),
        checkpoint_name=name or type(model.model.model_config).__name__,
        checkpoint_hash="",
    )


def _family(network: Any, encoders: Sequence[Encoder]) -> Family:
    family = _FAMILIES.get(tuple(encoder.key for encoder in encoders))
    unet: Any = getattr(network, "diffusion_model", None)
    if family is None or not hasattr(unet, "input_blocks"):
        raise _refusal(network, "its network or its text encoders are of another kind")
    is_sdxl = isinstance(network, comfy.model_base.SDXL)
    width = sum(encoder.width for encoder in encoders)
    wanted = network.model_config.unet_config.get("context_dim", width)
    if is_sdxl != (family == "sdxl") or wanted != width:
        raise HostError(
            "MODEL and CLIP do not belong together",
            f"the MODEL wants texts of width {wanted}, the CLIP gives {width}",
            "take both from one checkpoint",
        )
    if not is_sdxl and network.adm_channels:
        raise _refusal(network, "it wants a second input beside words, as unCLIP does")
    if unet.in_channels not in _INPUT_CHANNELS:
        raise _refusal(network, f"it wants {unet.in_channels} channels; it edits other pictures")
    return family


def _refusal(network: Any, why: str) -> HostError:
    kind = type(network.model_config).__name__
    return HostError(f"a {kind} model cannot be taught a word here", why, _FIX)


def _prediction(sampling: Any) -> Prediction:
    """What the network's output means, asked with numbers: x = 0, output = 1, σ = 2.

    Epsilon says x - σ·output, v says … - σ/√(σ²+1)·output (Salimans & Ho 2022); whatever says
    something else (x0, EDM, LCM, flow) was not trained with these losses.
    """
    sigma, one = torch.tensor(2.0), torch.ones(1, 1, 1, 1)
    told = float(sampling.calculate_denoised(sigma, one, torch.zeros_like(one)))
    if math.isclose(told, -2.0, rel_tol=1e-3):
        return "epsilon"
    if math.isclose(told, -2.0 / math.sqrt(5), rel_tol=1e-3):
        return "v_prediction"
    raise HostError(
        "this MODEL's sampling cannot be trained with",
        "its network predicts neither noise (eps) nor v",
        "take the MODEL from before ModelSampling nodes",
    )


def _alphas(sampling: Any) -> tuple[float, ...]:
    """ᾱ = 1/(1 + σ²) for every timestep.

    A zero at the end is written as 5e-8 in ComfyUI, so that σ stays finite; here it is zero again.
    """
    sigmas = getattr(sampling, "sigmas", None)
    if sigmas is None or not _is_every_timestep(sampling, sigmas):
        why = "its noise schedule has no timesteps from 0 on, one for each σ"
        raise HostError("this MODEL's sampling cannot be trained with", why, _FIX)
    with torch.no_grad():
        alphas = (1 / (1 + sigmas.detach().cpu().double() ** 2)).tolist()
    return tuple(0.0 if alpha < _ALMOST_ZERO else alpha for alpha in alphas)


def _is_every_timestep(sampling: Any, sigmas: Any) -> bool:
    """Schedules of distilled models leave some out."""
    last = len(sigmas) - 1
    with torch.no_grad():
        return [int(n) for n in sampling.timestep(sigmas[[0, last]])] == [0, last]


def _resolution(family: Family, prediction: Prediction) -> int:
    """SD 2's v-models were trained at 768."""
    if family == "sdxl":
        return 1024
    return 768 if family == "sd2" and prediction == "v_prediction" else 512
