"""What a model family is: the only table of it.

A `Family` holds what full-size checkpoints of one kind have in common. What a loaded checkpoint
says about itself is in `port.session.ModelFacts`, and may differ: reduced networks have other
widths, and a file can state its own latent scale. A new family is one more record in `FAMILIES`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class EncoderSpec:
    """One text encoder of a family."""

    key: str
    """Its name in embedding files: "clip_l" (SD1, SDXL), "clip_h" (SD2) or "clip_g" (SDXL)."""
    width: int
    """Length of one vector."""
    layers: int
    open_clip: bool = False
    """OpenCLIP's kind of network (gelu); otherwise OpenAI's (quick gelu)."""
    layer: int = 1
    """The hidden state that the network is given, from the end: 1 = last, after the final norm;
    earlier ones without. (SD2 never uses its last layer, which is not counted here.)"""
    pooled: bool = False
    """Whether the network is also given this encoder's pooled text."""


@dataclass(frozen=True)
class LatentFormat:
    """How the latents that a network sees are made from those of the VAE."""

    scale: float
    """Factor from the VAE's latent to the network's."""
    shift: float = 0.0
    """Subtracted from the VAE's latent before it is scaled."""
    channels: int = 4
    stride: int = 8
    """Pixels of a picture for one of its latent, in each direction."""

    @property
    def inpaint_channels(self) -> int:
        """Input channels of an inpainting network: the latent, a mask, and a masked latent."""
        return 2 * self.channels + 1

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(channels, h, w) of the latent of a picture with these sides in pixels."""
        return self.channels, height // self.stride, width // self.stride

    def scaled(self, latent: Tensor) -> Tensor:
        """The VAE's latent → the network's, any shape."""
        return (latent - self.shift) * self.scale

    def unscaled(self, latent: Tensor) -> Tensor:
        """The network's latent → the VAE's, any shape."""
        return latent / self.scale + self.shift


@dataclass(frozen=True)
class Release:
    """A base model that a family was published as."""

    architecture: str
    """`modelspec.architecture`, as the ModelSpec 1.0.1 standard has it."""
    resolution: int
    """Side in pixels of the square pictures that it was trained on."""
    prediction: str = "epsilon"
    """`Diffusion.prediction` of its network."""


@dataclass(frozen=True)
class MemoryNeeds:
    """What training against a family takes."""

    network: int
    """Parameters of the U-Net."""
    rest: int
    """Parameters of text encoders and VAE."""
    kept: int
    """Bytes that the backward pass needs for each pixel, in fp32; half as many otherwise."""


@dataclass(frozen=True)
class Family:
    """Models that share their text encoders and their latents."""

    id: str
    """In events, files and the API."""
    label: str
    """For people."""
    encoders: tuple[EncoderSpec, ...]
    """In the order in which their states are joined."""
    latent: LatentFormat
    releases: tuple[Release, ...]
    """The first one is meant where nothing else is known."""
    heads: int = 0
    """Attention heads on every level of the U-Net; 0: one for each 64 channels."""
    sized: bool = False
    """Whether the network is given the picture's sizes (time ids)."""
    clip_skip: bool = False
    """Whether clip skip chooses the layer of the text encoder. Where it does not, the layer is the
    one that the family was trained with, whatever clip skip says."""
    memory: MemoryNeeds | None = None
    """None: not known."""

    @property
    def widths(self) -> dict[str, int]:
        """Encoder key → vector width at full size."""
        return {encoder.key: encoder.width for encoder in self.encoders}

    def release(self, prediction: str = "") -> Release:
        """The base model with this prediction; the first one if there is none."""
        matching = (one for one in self.releases if one.prediction == prediction)
        return next(matching, self.releases[0])


SD1 = Family(
    "sd1",
    "SD 1.x",
    (EncoderSpec("clip_l", 768, layers=12),),
    LatentFormat(0.18215),
    (Release("stable-diffusion-v1", 512),),
    heads=8,
    clip_skip=True,
    memory=MemoryNeeds(859_520_964, 206_714_343, 5_600),
)
SD2 = Family(
    "sd2",
    "SD 2.x",
    (EncoderSpec("clip_h", 1024, layers=23, open_clip=True),),
    LatentFormat(0.18215),
    (
        Release("stable-diffusion-v2-512", 512),
        Release("stable-diffusion-v2-768-v", 768, "v_prediction"),
    ),
    memory=MemoryNeeds(865_910_724, 424_041_703, 5_300),
)
SDXL = Family(
    "sdxl",
    "SDXL",
    (
        EncoderSpec("clip_l", 768, layers=12, layer=2),
        EncoderSpec("clip_g", 1280, layers=32, open_clip=True, layer=2, pooled=True),
    ),
    LatentFormat(0.13025),
    (Release("stable-diffusion-xl-v1-base", 1024),),
    sized=True,
    memory=MemoryNeeds(2_567_463_684, 901_374_183, 9_900),
)
"""`kept` was counted with torch's saved_tensors_hooks on diffusers' U-Nets, 512 to 1024 pixels,
with an attention that keeps no matrix of weights. It grows with the pixels: within 4 %."""

FAMILIES = {family.id: family for family in (SD1, SD2, SDXL)}
"""id → family."""
SIDE_STEP = math.lcm(*(family.latent.stride for family in FAMILIES.values()))
"""Sides of pictures in pixels are multiples of this, so that every family can encode them."""
SUPPORTED = " or ".join((", ".join(f.label for f in (SD1, SD2)), SDXL.label))
ENCODER_KEYS = tuple(dict.fromkeys(key for one in FAMILIES.values() for key in one.widths))
"""Keys of all text encoders; those of one family in its order."""


def by_encoders(keys: Iterable[str]) -> Family:
    """The family with these text encoders, in any order.

    Raises UnsupportedModelError if there is none.
    """
    given = list(keys)
    for family in FAMILIES.values():
        if sorted(family.widths) == sorted(given):
            return family
    raise unsupported(f"its text encoders are {', '.join(given) or 'of an unknown kind'}")


def by_widths(widths: Iterable[int]) -> Family | None:
    """The family whose vectors have these widths, in any order; None if there is none."""
    wanted = sorted(widths)
    found = (one for one in FAMILIES.values() if sorted(one.widths.values()) == wanted)
    return next(found, None)


def by_architecture(architecture: str) -> Family | None:
    """The family with a release of this `modelspec.architecture`; None if there is none."""
    for family in FAMILIES.values():
        if architecture in [release.architecture for release in family.releases]:
            return family
    return None


def unsupported(why: str) -> UnsupportedModelError:
    """The error for a checkpoint that belongs to no family, or is used in another way."""
    what = "textual inversion is not supported for this checkpoint"
    return UnsupportedModelError(what, why, f"use a checkpoint of {SUPPORTED}")
