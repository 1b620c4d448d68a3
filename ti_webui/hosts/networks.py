"""What a session needs from a web UI; each of them fills it in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ti_core.hosts.common.autograd import Inside, as_it_is
from ti_core.hosts.common.clip import ClipEncoder
from ti_core.hosts.common.session import Part
from ti_core.port.session import ModelFacts


@dataclass(frozen=True)
class HostNetworks:
    """The networks of the loaded checkpoint, and how the program wants them to be handled."""

    model: object
    """The web UI's object."""
    facts: ModelFacts
    device: torch.device
    unet: nn.Module
    """Called as CompVis' UNet: (x, timesteps, context=, y=, **unet_options)."""
    vae: nn.Module
    """With `encoder`, `quant_conv`, `post_quant_conv` and `decoder`, as CompVis' autoencoder."""
    encoders: tuple[ClipEncoder, ...]
    ready: Callable[[Part], None]
    """Brings a part to the device."""
    release: Callable[[Part], None]
    """Sends a part to main memory."""
    inside: Inside = as_it_is
    """What must hold while the UNet or a text encoder computes."""
    unet_options: Callable[[], dict[str, object]] = field(default=dict)

    def all(self) -> tuple[nn.Module, ...]:
        """Every network with weights."""
        return (self.unet, self.vae, *(encoder.network for encoder in self.encoders))

    @property
    def inpaints(self) -> bool:
        """Whether the UNet wants a mask and a masked image beside the latent."""
        return input_channels(self.unet) == self.facts.latent.inpaint_channels


def input_channels(unet: nn.Module) -> int:
    """Channels that a UNet in CompVis' layout wants."""
    first: Any = unet.get_submodule("input_blocks.0.0")
    return int(first.weight.shape[1])


def split_moments(moments: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 2C, h, w) from the encoder → mean and standard deviation (B, C, h, w) of the posterior.

    The log variance is cut as in CompVis' code.
    """
    mean, log_variance = moments.float().chunk(2, dim=1)
    return mean, (0.5 * log_variance.clamp(-30, 20)).exp()
