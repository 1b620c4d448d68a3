"""A tiny UNet without levels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import comfy.ops as ops
from comfy.ldm.modules.attention import SpatialTransformer

_WIDTH = 16


def sinusoids(numbers: Tensor, width: int) -> Tensor:
    """(N,) → (N, width) cosines and sines (Vaswani et al. 2017)."""
    rates = torch.exp(-9.21 * torch.arange(width // 2) / (width // 2)).to(numbers)
    angles = numbers[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class ResBlock(nn.Module):
    """A convolution that knows the time."""

    def __init__(self) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            ops.GroupNorm(4, _WIDTH), nn.SiLU(), ops.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        )
        self.emb_layers = ops.Linear(_WIDTH, _WIDTH)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """(B, width, h, w), (B, width) → (B, width, h, w)"""
        return x + self.in_layers(x) + self.emb_layers(emb)[:, :, None, None]


class UNetModel(nn.Module):
    """`channels` latents and their like in, 4 out."""

    def __init__(self, channels: int, context: int, labels: int | None) -> None:
        super().__init__()
        self.in_channels, self.dtype = channels, torch.float32
        self.num_classes = None if labels is None else "sequential"
        self.time_embed = ops.Linear(_WIDTH, _WIDTH)
        if labels is not None:
            self.label_emb = ops.Linear(labels, _WIDTH)
        self.input_blocks = nn.ModuleList([ops.Conv2d(channels, _WIDTH, 3, padding=1)])
        self.middle_block = nn.ModuleList([ResBlock(), SpatialTransformer(_WIDTH, context)])
        self.out = ops.Conv2d(_WIDTH, 4, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        y: Tensor | None = None,
        control: None = None,
        transformer_options: dict[str, Any] | None = None,
    ) -> Tensor:
        """(B, channels, h, w) → (B, 4, h, w)"""
        assert (y is not None) == (self.num_classes is not None)
        options = transformer_options if transformer_options is not None else {}
        options["block"] = ("middle", 0)  # the caller's dictionary is written to
        emb = self.time_embed(sinusoids(timesteps, _WIDTH).to(x.dtype))
        if y is not None:
            emb = emb + self.label_emb(y)
        hidden = self.input_blocks[0](x)
        hidden = self.middle_block[0](hidden, emb)
        hidden = self.middle_block[1](hidden, context, options)
        return self.out(torch.tanh(hidden))
