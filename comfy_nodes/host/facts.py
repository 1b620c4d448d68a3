"""What kind of model a graph has loaded, or why it cannot be trained here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from comfy.model_base import SDXL, BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import ModelSamplingDiscrete
from torch import Tensor

from ...ti_core.diffusion import Ddpm, Prediction
from ...ti_core.errors import UnsupportedModelError
from ...ti_core.families import Family, by_encoders, unsupported
from ...ti_core.hosts.common.text import encoder_facts
from ...ti_core.port.session import ModelFacts
from .text import Encoder

_ALMOST_ZERO = 6e-8
"""ComfyUI writes an ᾱ of zero at the end as 5e-8, so that σ stays finite."""


def facts_of(model: ModelPatcher, encoders: Sequence[Encoder], name: str) -> ModelFacts:
    """Facts about a MODEL with these text encoders; `name` is the checkpoint's, if known.

    Raises UnsupportedModelError for a model that textual inversion as done here does not fit.
    """
    family = _family(model.model, encoders)
    diffusion = _diffusion(model.get_model_object("model_sampling"))
    return ModelFacts(
        family=family,
        encoders=tuple(map(encoder_facts, encoders)),
        diffusion=diffusion,
        latent=replace(family.latent, scale=float(model.model.latent_format.scale_factor)),
        resolution=family.release(diffusion.prediction).resolution,
        checkpoint_name=name or type(model.model.model_config).__name__,
        checkpoint_hash="",
    )


def _family(network: BaseModel, encoders: Sequence[Encoder]) -> Family:
    family = by_encoders(encoder.key for encoder in encoders)
    unet: Any = getattr(network, "diffusion_model", None)
    if not hasattr(unet, "input_blocks"):
        raise _unsupported(network, "its network is of another kind")
    is_sdxl = isinstance(network, SDXL)
    width = sum(encoder.table.shape[1] for encoder in encoders)
    wanted = network.model_config.unet_config.get("context_dim", width)
    if is_sdxl != family.sized or wanted != width:
        raise UnsupportedModelError(
            "MODEL and CLIP do not belong together",
            f"the MODEL expects texts of width {wanted}, the CLIP gives {width}",
            "take both from one checkpoint",
        )
    if not is_sdxl and network.adm_channels:
        raise _unsupported(network, "it expects a second input beside words, as unCLIP does")
    if unet.in_channels not in (family.latent.channels, family.latent.inpaint_channels):
        raise _unsupported(
            network, f"it expects {unet.in_channels} channels; it edits other images"
        )
    return family


def _unsupported(network: BaseModel, why: str) -> UnsupportedModelError:
    return unsupported(f"{type(network.model_config).__name__}: {why}")


def _diffusion(sampling: ModelSamplingDiscrete) -> Ddpm:
    """The training noise, from σ of every timestep."""
    prediction = _prediction(sampling)
    sigmas = getattr(sampling, "sigmas", None)
    if sigmas is None or not _is_every_timestep(sampling, sigmas):
        raise unsupported("its noise schedule has no timesteps from 0 on, one for each σ")
    return Ddpm.from_sigmas(sigmas, prediction, _ALMOST_ZERO)


def _prediction(sampling: ModelSamplingDiscrete) -> Prediction:
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
    raise UnsupportedModelError(
        "this MODEL's sampling cannot be trained with",
        "its network predicts neither noise (eps) nor v",
        "use the MODEL before the ModelSampling nodes",
    )


def _is_every_timestep(sampling: ModelSamplingDiscrete, sigmas: Tensor) -> bool:
    """Schedules of distilled models leave some out."""
    last = len(sigmas) - 1
    with torch.no_grad():
        return [int(n) for n in sampling.timestep(sigmas[[0, last]])] == [0, last]
