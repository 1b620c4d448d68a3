"""What loaders give: CLIP, VAE, and a whole model of random weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

import comfy.model_management as manager
from comfy.model_base import SDXL, BaseModel, config
from comfy.model_patcher import ModelPatcher, ModelPatcherDynamic, NewerModelPatcher
from comfy.profile import NEWER
from comfy.sd1_clip import END, SDClipModel, SDTokenizer

_ENCODERS = {"sd1": {"l": 12}, "sd2": {"h": 16}, "sdxl": {"l": 12, "g": 20}}


class TextModels(nn.Module):
    """The text encoders of a family, as `clip_l`, `clip_g`, `clip_h`."""

    def __init__(self, family: str) -> None:
        super().__init__()
        self.device: Any = None
        for name, width in _ENCODERS[family].items():
            layer = None if family == "sd1" else -2
            pad = END if name == "l" else 0
            setattr(self, f"clip_{name}", SDClipModel(width, 3, pad, layer))

    def encode_token_weights(self, tokens: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """All encoders side by side; the pooled text is the last one's."""
        found = [getattr(self, f"clip_{n}").encode_token_weights(tokens[n]) for n in tokens]
        return torch.cat([states for states, _ in found], dim=-1), found[-1][1]


class Tokenizers:
    """Their tokenizers, under the same names."""

    def __init__(self, family: str) -> None:
        self.names = list(_ENCODERS[family])
        for name, width in _ENCODERS[family].items():
            setattr(self, f"clip_{name}", SDTokenizer(END if name == "l" else 0, width))

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False) -> dict[str, Any]:
        """Name → chunks."""
        parts = {name: getattr(self, f"clip_{name}") for name in self.names}
        return {n: part.tokenize_with_weights(text, return_word_ids) for n, part in parts.items()}


class CLIP:
    """The socket."""

    def __init__(self, family: str) -> None:
        self.cond_stage_model = TextModels(family).half()
        self.tokenizer = Tokenizers(family)
        self.patcher = ModelPatcher(self.cond_stage_model)
        self.layer_idx: int | None = None

    def clone(self) -> CLIP:
        """Another value of the same model."""
        twin = copy.copy(self)
        twin.patcher = self.patcher.clone()
        return twin

    def clip_layer(self, layer: int) -> None:
        """What CLIPSetLastLayer does."""
        self.layer_idx = layer

    def tokenize(self, text: str) -> dict[str, Any]:
        """Name → chunks of (token, weight)."""
        return self.tokenizer.tokenize_with_weights(text)

    def encode_from_tokens(self, tokens: dict[str, Any], return_pooled: bool = False) -> Any:
        """Context (1, n, width), and the pooled text."""
        parts: list[Any] = [*self.cond_stage_model.children()]
        for part in parts:
            part.reset_clip_options()
            if self.layer_idx is not None:
                part.set_clip_options({"layer": self.layer_idx})
        manager.load_models_gpu([self.patcher])
        cond, pooled = self.cond_stage_model.encode_token_weights(tokens)
        return (cond, pooled) if return_pooled else cond


class Posterior(nn.Module):
    """Moments → the mode."""

    def forward(self, moments: Tensor) -> Tensor:
        """(B, 8, h, w) → (B, 4, h, w)"""
        return moments.chunk(2, dim=1)[0]


class Autoencoder(nn.Module):
    """A linear picture of 8 × 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.device: Any = None
        self.encoder = nn.Conv2d(3, 8, 8, stride=8)
        self.decoder = nn.ConvTranspose2d(4, 3, 8, stride=8)
        self.regularization = Posterior()

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, 4, H/8, W/8)"""
        return self.regularization(self.encoder(pixels))


class VAE:
    """The socket."""

    def __init__(self) -> None:
        self.first_stage_model = Autoencoder()
        self.patcher = ModelPatcher(self.first_stage_model)

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, H, W, 3) in [0, 1] → (B, 4, H/8, W/8); in tiles when memory is short."""
        manager.load_models_gpu([self.patcher])
        scaled = pixels.movedim(-1, 1) * 2 - 1
        try:
            return self.first_stage_model.encode(scaled)
        except manager.OOM_EXCEPTION:
            return self._tiled(scaled)

    def decode(self, latent: Tensor) -> Tensor:
        """(B, 4, h, w) → (B, 8h, 8w, 3) in [0, 1]"""
        manager.load_models_gpu([self.patcher])
        pixels = self.first_stage_model.decoder(latent)
        return (pixels / 2 + 0.5).clamp(0, 1).movedim(1, -1)

    def _tiled(self, pixels: Tensor) -> Tensor:
        tiles = self._tiles(pixels, 2)
        tiles += self._tiles(pixels, 3)  # an inference tensor: in place in that mode only
        return tiles / 2

    @torch.inference_mode()
    def _tiles(self, pixels: Tensor, dim: int) -> Tensor:
        halves = pixels.chunk(2, dim=dim)
        return torch.cat([self.first_stage_model.encode(half) for half in halves], dim=dim)


def load_random(
    kind: str, seed: int = 0, disable_dynamic: bool = False
) -> tuple[ModelPatcher, CLIP, VAE]:
    """A model of "sd1", "sd1-inpaint", "sd2", "sd2-v", "sdxl" or "sdxl-v", in the caller's mode."""
    family, _, special = kind.partition("-")
    widths = list(_ENCODERS[family].values())
    labels = widths[-1] + 6 * 8 if family == "sdxl" else None
    about = config(family.upper(), context_dim=sum(widths), adm_in_channels=labels)
    channels = 9 if special == "inpaint" else 4
    kind_of_base = SDXL if family == "sdxl" else BaseModel
    is_v = special == "v"
    base = kind_of_base(about, channels, v=is_v, zsnr=is_v and family == "sdxl")
    clip, vae = CLIP(family), VAE()
    _fill([base, clip.cond_stage_model, vae.first_stage_model], seed)
    model = ModelPatcher(base)
    if NEWER:
        model, clip.patcher, vae.patcher = _newer(kind, seed, disable_dynamic, model, clip, vae)
    return model, clip, vae


def _newer(kind: str, seed: int, rest: bool, model: Any, clip: CLIP, vae: VAE) -> list[Any]:
    """The patchers that a newer ComfyUI makes."""

    def again(number: int, disable_dynamic: bool) -> Any:
        model, clip, vae = load_random(kind, seed, disable_dynamic)
        return (model, clip.patcher, vae.patcher)[number]

    networks = [patcher.model for patcher in (model, clip.patcher, vae.patcher)]
    if rest:
        return [NewerModelPatcher(network) for network in networks]
    return [
        ModelPatcherDynamic(network, again=(again, (number,)))
        for number, network in enumerate(networks)
    ]


def _fill(networks: list[nn.Module], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for network in networks:
            for name, parameter in network.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                if parameter.dim() == 1:
                    noise = noise * 0.1 + ("norm" in name and name.endswith("weight"))
                elif "embedding" not in name:
                    noise = noise / parameter[0].numel() ** 0.5
                parameter.copy_(noise)
