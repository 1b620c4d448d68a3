"""Forge Neo's model objects: Forge's, with the latents' scale at another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ti_core.errors import UnsupportedModelError
from ti_core.families import SD1, SDXL, unsupported
from ti_core.port.session import ModelFacts

from ..forge import model as forge

if TYPE_CHECKING:
    from backend.diffusion_engine.base import ForgeDiffusionEngine


_SUPPORTED = f"{SD1.label} or {SDXL.label}"
"""It has given up SD 2, and reads words of embeddings for these only."""


def facts_of(model: ForgeDiffusionEngine) -> ModelFacts:
    """Facts about the loaded model.

    Raises UnsupportedModelError for one that textual inversion as done here does not fit.
    """
    original = model.forge_objects_original
    latents = original.vae.first_stage_model.latent_format
    try:
        facts = forge.facts_of(model, float(latents.scale_factor))
        for network in (original.unet.model, original.clip.cond_stage_model):
            _check_layers(network)
    except UnsupportedModelError as error:
        raise unsupported(error.why, _SUPPORTED) from error
    return facts


def _check_layers(network: nn.Module) -> None:
    """Refuse layers that are made for images only (`MixedPrecisionOps`: int8, nvfp4, mxfp8).

    They assert that no gradient is wanted; weights that are only stored in fp8 are not of these.
    """
    if any(hasattr(module, "_full_precision_mm") for module in network.modules()):
        raise unsupported("no gradient passes its layers, which are quantised in mixed precision")
