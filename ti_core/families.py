"""What a model family is: the only table of it.

A `Family` holds what full-size checkpoints of one kind have in common. What a loaded checkpoint
says about itself is in `port.session.ModelFacts`, and may differ: reduced networks have other
widths, and a file can state its own latent scale. A new family is one more record in `FAMILIES`.
Models that cannot be trained here, but whose embeddings are read and written, are in `OTHERS`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
    """Pixels of an image for one of its latent, in each direction."""

    @property
    def inpaint_channels(self) -> int:
        """Input channels of an inpainting network: the latent, a mask, and a masked latent."""
        return 2 * self.channels + 1

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(channels, h, w) of the latent of an image with these sides in pixels."""
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
    """Side in pixels of the square images that it was trained on."""
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
    large: int = 0
    """Parameters of the U-Net and of text encoders that are in weights of 2²¹ numbers or more:
    those that may be packed."""
    checkpointed: int = 0
    """As `kept`, with gradient checkpointing: the inputs of all blocks, and the largest block."""


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
    attention: tuple[int, ...] = (320, 640, 1280)
    """Widths of the U-Net's self-attention at full size, ascending."""
    heads: int = 0
    """Attention heads on every level of the U-Net; 0: one for each 64 channels."""
    sized: bool = False
    """Whether the network is given the image's sizes (time ids)."""
    clip_skip: bool = False
    """Whether clip skip chooses the layer of the text encoder. Where it does not, the layer is the
    one that the family was trained with, whatever clip skip says."""
    memory: MemoryNeeds | None = None
    """None: not known."""

    @property
    def widths(self) -> dict[str, int]:
        """Encoder key → vector width at full size."""
        return {encoder.key: encoder.width for encoder in self.encoders}

    @property
    def context(self) -> int:
        """Width of what cross-attention reads: the encoders' states side by side."""
        return sum(self.widths.values())

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
    memory=MemoryNeeds(859_520_964, 206_714_343, 5_600, 737_890_304, 1_900),
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
    memory=MemoryNeeds(865_910_724, 424_041_703, 5_300, 874_205_184, 1_600),
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
    attention=(640, 1280),
    sized=True,
    memory=MemoryNeeds(2_567_463_684, 901_374_183, 9_900, 2_322_550_784, 1_700),
)
"""`kept` and `checkpointed` were counted with torch's saved_tensors_hooks on diffusers' U-Nets, 512
to 1024 pixels, with an attention that keeps no matrix of weights. They grow with the pixels: `kept`
within 4 %; `checkpointed` is that at 512, and less for larger images, whose largest block is
smaller."""


@dataclass(frozen=True)
class OtherModels:
    """Models that cannot be trained here: what an embedding for them holds."""

    id: str
    """The model's; that of the text encoder where several models share it."""
    label: str
    """For people."""
    widths: dict[str, int]
    """Key that ComfyUI looks for (its `embedding_key`, or the encoder's name where ComfyUI takes
    no embeddings for it) → vector width."""


OTHERS = (
    OtherModels("sd3", "SD 3", {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096}),
    OtherModels("flux1", "Flux.1", {"clip_l": 768, "t5xxl": 4096}),
    OtherModels("t5xxl", "Chroma, PixArt, Mochi or LTX-Video", {"t5xxl": 4096}),
    OtherModels("cosmos", "Cosmos", {"t5xxl": 1024}),
    OtherModels("hunyuan-video", "HunyuanVideo", {"clip_l": 768, "llama": 4096}),
    OtherModels(
        "hidream", "HiDream", {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096, "llama": 4096}
    ),
    OtherModels("flux2-dev", "Flux.2 dev", {"mistral3_24b": 5120}),
    OtherModels("ernie-image", "Ernie-Image", {"mistral3_24b": 3072}),
    OtherModels("qwen3_4b", "Flux.2 Klein 4B or Z-Image", {"qwen3_4b": 2560}),
    OtherModels("qwen3_8b", "Flux.2 Klein 9B", {"qwen3_8b": 4096}),
    OtherModels("anima", "Anima", {"qwen3_06b": 1024}),
    OtherModels("qwen3vl_4b", "Krea 2 or Ideogram 4", {"qwen3vl_4b": 2560}),
    OtherModels("qwen3vl_8b", "Krea 2 or Ideogram 4", {"qwen3vl_8b": 4096}),
    OtherModels("qwen25_7b", "Qwen-Image or Kandinsky 5", {"qwen25_7b": 3584}),
    OtherModels("qwen25_3b", "OmniGen 2", {"qwen25_3b": 2048}),
    OtherModels("qwen3_2b", "Ovis", {"qwen3_2b": 2048}),
    OtherModels("gemma2_2b", "Lumina 2 or Sana", {"gemma2_2b": 2304}),
    OtherModels("gemma3_4b", "Lumina 2", {"gemma3_4b": 2560}),
    OtherModels("gemma3_12b", "LTX-Video 2", {"gemma3_12b": 3840}),
    OtherModels("umt5xxl", "Wan", {"umt5xxl": 4096}),
    OtherModels("pile_t5xl", "AuraFlow", {"pile_t5xl": 2048}),
)
"""As ComfyUI 0.33's text encoders, and OneTrainer's and diffusers' savers, have them."""

FAMILIES = {family.id: family for family in (SD1, SD2, SDXL)}
"""id → family."""
SIDE_STEP = math.lcm(*(family.latent.stride for family in FAMILIES.values()))
"""Sides of images in pixels are multiples of this, so that every family can encode them."""
SUPPORTED = " or ".join((", ".join(f.label for f in (SD1, SD2)), SDXL.label))
ENCODER_KEYS = tuple(dict.fromkeys(key for one in FAMILIES.values() for key in one.widths))
"""Keys of all text encoders that can be trained with; those of one family in its order."""
OTHER_KEYS = tuple(
    dict.fromkeys(key for one in OTHERS for key in one.widths if key not in ENCODER_KEYS)
)
"""Keys of the text encoders of other models."""
OTHER_NAMES = {"t5": "t5xxl", "gemma": "gemma2_2b", "ministral3_3b": "mistral3_24b"}
"""What OneTrainer and diffusers (`t5`, `gemma`), and ComfyUI's own class of the smaller Mistral,
call an encoder → the key that ComfyUI looks for."""
OUTPUT = "_out"
"""Behind a key: OneTrainer's vectors for the encoder's output, which no other program can use."""
WORDS = ("t5", "gemma", "llama")
"""Names of encoders that somebody may give to a cat."""
WIDEST_CLIP = max(width for family in FAMILIES.values() for width in family.widths.values())
"""Numbers in a vector of CLIP-G. T5-XXL, Gemma and Llama are wider."""


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


def by_context(width: int) -> Family | None:
    """The family whose cross-attention reads vectors of this width; None if there is none."""
    return next((one for one in FAMILIES.values() if one.context == width), None)


def kind_of(widths: Mapping[str, int]) -> Family | OtherModels | None:
    """The models that an embedding is for: key of each table → its width; None: not known.

    A table that names no encoder ("emb_params", or one that CLIP's keys name alone) is told by its
    width. OneTrainer's tables for an encoder's output (`…_out`) do not count.
    """
    inputs = {key: width for key, width in widths.items() if not key.endswith(OUTPUT)}
    if not set(inputs) & set(OTHER_KEYS):
        return by_widths(inputs.values())
    return next((one for one in OTHERS if one.widths == inputs), None)


def label_of(widths: Mapping[str, int]) -> str:
    """As `kind_of`, for people; a part of what some models need is called so; "" for unknown."""
    kind = kind_of(widths)
    if kind is not None:
        return kind.label
    if list(widths.values()) == [SDXL.encoders[1].width]:
        return f"half of {SDXL.label}, or LDM"
    whole = [one.label for one in OTHERS if widths.items() <= one.widths.items()]
    return f"part of {' or '.join(whole)}" if whole else ""


def by_architecture(architecture: str) -> Family | None:
    """The family with a release of this `modelspec.architecture`; None if there is none."""
    for family in FAMILIES.values():
        if architecture in [release.architecture for release in family.releases]:
            return family
    return None


def unsupported(why: str, supported: str = SUPPORTED) -> UnsupportedModelError:
    """The error for a checkpoint that belongs to no family, or is used in another way.

    `supported`: the families that a program knows, in words.
    """
    what = "textual inversion is not supported for this checkpoint"
    return UnsupportedModelError(what, why, f"use a checkpoint of {supported}")
