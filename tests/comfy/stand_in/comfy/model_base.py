"""The network with what belongs to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from comfy.model_sampling import EPS, V_PREDICTION, sampling
from comfy.profile import NEWER
from comfy.unet import UNetModel, sinusoids


class BaseModel(nn.Module):
    """SD 1 and SD 2."""

    size_width = 0

    def __init__(self, config: Any, channels: int, v: bool = False, zsnr: bool = False) -> None:
        super().__init__()
        self.model_config, self.manual_cast_dtype = config, None
        self.device: Any = None
        if NEWER:
            self.latent_shapes: Any = None
        self.adm_channels = config.unet_config.get("adm_in_channels") or 0
        context = config.unet_config["context_dim"]
        self.diffusion_model = UNetModel(channels, context, self.adm_channels or None)
        self.model_sampling = sampling(V_PREDICTION if v else EPS, zsnr)
        self.latent_format = SimpleNamespace(scale_factor=0.13025 if v else 0.18215)

    def get_dtype(self) -> torch.dtype:
        """What the weights are stored in."""
        return self.diffusion_model.dtype

    def memory_required(self, input_shape: Any) -> float:
        """Bytes, more or less."""
        return float(torch.Size(input_shape).numel() * 4)

    def concat_cond(self, noise: Tensor, latent_image: Tensor, device: Any) -> Tensor | None:
        """(B, 5, h, w) mask and hidden picture for an inpainting network."""
        if self.diffusion_model.in_channels == 4:
            return None
        mask = torch.ones_like(noise)[:, :1]
        return torch.cat([mask, torch.ones_like(noise) * 0.5], dim=1)


class Embedder(nn.Module):
    """Sizes as numbers between -1 and 1."""

    def forward(self, sizes: Tensor) -> Tensor:
        """(N,) → (N, 8)"""
        return sinusoids(sizes, 8)


class SDXL(BaseModel):
    """With a second input."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.embedder = Embedder()


def config(name: str, **unet: Any) -> Any:
    """Settings of a family; the class's name is the family's."""
    return type(name, (), {"unet_config": unet})()
