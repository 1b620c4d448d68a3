"""Attention, and the blocks of a UNet that hold it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

import comfy.ops as ops


def _heads(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    parts = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)


def attention_pytorch(q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any) -> Tensor:
    """(B, n, width) three times → (B, n, width); differentiable."""
    return _heads(q, k, v, heads)


def attention_without_backward(
    q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any
) -> Tensor:
    """The same numbers as a kernel without a backward pass gives them: gradients end silently."""
    with torch.no_grad():
        return _heads(q, k, v, heads)


def optimized_attention(
    q: Tensor, k: Tensor, v: Tensor, heads: int, transformer_options: dict[str, Any]
) -> Tensor:
    """The attention of choice, unless the options override it."""
    override = transformer_options.get("optimized_attention_override")
    if override is not None:
        result: Tensor = override(attention_without_backward, q, k, v, heads)
        return result
    return attention_without_backward(q, k, v, heads)


class CrossAttention(nn.Module):
    """Of `width` to a context of `context` numbers."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.to_q = ops.Linear(width, width, bias=False)
        self.to_k = ops.Linear(context, width, bias=False)
        self.to_v = ops.Linear(context, width, bias=False)
        self.to_out = ops.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, value: Tensor, options: dict[str, Any]) -> Tensor:
        """(B, n, width), (B, m, context) twice → (B, n, width)"""
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(value)
        return self.to_out(optimized_attention(q, k, v, 2, transformer_options=options))


def _patched(
    place: str, x: Tensor, context: Tensor, options: dict[str, Any]
) -> tuple[Tensor, Tensor, Tensor]:
    """What queries, keys and values are made from."""
    value = context
    for patch in options.get("patches", {}).get(place, []):
        x, context, value = patch(x, context, value, options)
    return x, context, value


class BasicTransformerBlock(nn.Module):
    """Self-attention, cross-attention, and a layer between."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.attn1 = CrossAttention(width, width)
        self.attn2 = CrossAttention(width, context)
        self.ff = ops.Linear(width, width)
        self.norm1, self.norm2, self.norm3 = (ops.LayerNorm(width) for _ in range(3))

    def forward(
        self, x: Tensor, context: Tensor, transformer_options: dict[str, Any] | None = None
    ) -> Tensor:
        """(B, n, width) → (B, n, width)"""
        options = transformer_options or {}
        normed = self.norm1(x)
        x = x + self.attn1(*_patched("attn1_patch", normed, normed, options), options)
        x = x + self.attn2(*_patched("attn2_patch", self.norm2(x), context, options), options)
        return x + torch.tanh(self.ff(self.norm3(x)))


class SpatialTransformer(nn.Module):
    """Blocks over the places of a picture."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.transformer_blocks = nn.ModuleList([BasicTransformerBlock(width, context)])

    def forward(self, x: Tensor, context: Tensor, options: dict[str, Any]) -> Tensor:
        """(B, width, h, w) → (B, width, h, w)"""
        flat = x.flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            flat = block(flat, context, transformer_options=options)
        return x + flat.transpose(1, 2).unflatten(2, x.shape[2:])
