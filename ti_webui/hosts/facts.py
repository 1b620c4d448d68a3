"""Facts about a checkpoint that the hosts of all web UIs find out in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from ti_core.diffusion import Ddpm
from ti_core.families import Family, by_encoders, unsupported
from ti_core.hosts.common.clip import ClipEncoder
from ti_core.hosts.common.text import encoder_facts
from ti_core.port.session import ModelFacts

from .networks import input_channels

if TYPE_CHECKING:
    from modules.sd_models import CheckpointInfo

_SHORT_HASH = 10


def family_in_use(encoders: Sequence[ClipEncoder], unet: nn.Module) -> Family:
    """The family of a checkpoint with these text encoders and this UNet in CompVis' layout.

    Raises UnsupportedModelError for one that textual inversion as done here does not fit.
    """
    family = by_encoders(encoder.key for encoder in encoders)
    if not hasattr(unet, "input_blocks"):
        raise unsupported("its network is of another kind")
    channels = input_channels(unet)
    if channels not in (family.latent.channels, family.latent.inpaint_channels):
        raise unsupported(f"its network expects {channels} channels; it edits images")
    if not family.sized and getattr(unet, "num_classes", None) is not None:
        raise unsupported("its network expects images beside words (unCLIP)")
    return family


def model_facts(
    family: Family,
    encoders: Sequence[ClipEncoder],
    diffusion: Ddpm,
    latent_scale: float,
    info: CheckpointInfo,
) -> ModelFacts:
    """As the port describes a checkpoint."""
    return ModelFacts(
        family=family,
        encoders=tuple(map(encoder_facts, encoders)),
        diffusion=diffusion,
        latent=replace(family.latent, scale=latent_scale),
        resolution=family.release(diffusion.prediction).resolution,
        checkpoint_name=info.name_for_extra,
        checkpoint_hash=(info.sha256 or "")[:_SHORT_HASH],  # as the web UIs show it
    )
