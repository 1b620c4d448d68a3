"""Tiny networks with the attribute names and calls of CompVis', OpenAI's and Stability's code."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

HEADS = 2
SIZE_WIDTH = 8
"""Of each of SDXL's six embedded sizes."""


Network = TypeVar("Network", bound=nn.Module)


def randomise(network: Network, seed: int = 0) -> Network:
    """No weight is zero: a zero-initialised output would stop every gradient."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1 and name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            elif "embedding" in name:
                parameter.copy_(noise)
            else:
                width = math.prod(parameter.shape[1:]) if parameter.dim() > 1 else 100
                parameter.copy_(noise / math.sqrt(width))
    return network.eval()


def plain_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, n, width) each, in `HEADS` heads."""
    batch, _, width = q.shape
    q, k, v = (x.view(batch, -1, HEADS, width // HEADS).transpose(1, 2) for x in (q, k, v))
    out = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1) @ v
    return out.transpose(1, 2).reshape(batch, -1, width)


class CrossAttention(nn.Module):
    """`attention` is looked up at each call, so that it can be exchanged."""

    def __init__(self, width: int, context: int, attention: Any) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))
        self.attention = attention

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Self-attention without a context."""
        context = x if context is None else context
        q = self.to_q(x)
        k = self.to_k(context)
        return self.to_out(self.attention()(q, k, self.to_v(context)))


class BasicTransformerBlock(nn.Module):
    """Forge's adds in place, A1111's does not."""

    def __init__(self, width: int, context: int, attention: Any, in_place: bool) -> None:
        super().__init__()
        self.attn1 = CrossAttention(width, width, attention)
        self.attn2 = CrossAttention(width, context, attention)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.ff = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.in_place = in_place

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, n, width)"""
        x = self._add(x, self.attn1(self.norm1(x)))
        x = self._add(x, self.attn2(self.norm2(x), context))
        return self._add(x, self.ff(self.norm3(x)))

    def _add(self, x: Tensor, more: Tensor) -> Tensor:
        return x.add_(more) if self.in_place else x + more


class UNet(nn.Module):
    """CompVis' outline with a single block."""

    def __init__(
        self,
        context: int,
        channels: int = 4,
        added: int | None = None,
        attention: Any = lambda: plain_attention,
        in_place: bool = False,
    ) -> None:
        super().__init__()
        width = 16
        self.input_blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(channels, width, 3, padding=1))])
        self.time_embed = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
        self.num_classes = None if added is None else "sequential"
        if added is not None:
            self.label_emb = nn.Sequential(nn.Sequential(nn.Linear(added, width)))
        self.middle_block = BasicTransformerBlock(width, context, attention, in_place)
        self.out = nn.Conv2d(width, 4, 3, padding=1)
        self.dtype = torch.float32

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor | None = None,
        context: Tensor | None = None,
        y: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """As CompVis' UNetModel."""
        assert timesteps is not None
        assert context is not None
        assert (y is not None) == (self.num_classes is not None)
        speeds = torch.exp(-torch.arange(8) / 2)
        angles = timesteps[:, None].float() * speeds
        time = self.time_embed(torch.cat([angles.cos(), angles.sin()], dim=1).to(x.dtype))
        if y is not None:
            time = time + self.label_emb(y)
        h = self.input_blocks[0](x) + time[:, :, None, None]
        tokens = h.flatten(2).transpose(1, 2).contiguous()
        tokens = self.middle_block(tokens, context).transpose(1, 2)
        return self.out(h + tokens.reshape(h.shape)).type(x.dtype)


class VAE(nn.Module):
    """Factor 8; `encode` and `decode` are the programs' own affair."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.SiLU(), nn.Conv2d(8, 8, 1))
        self.quant_conv = nn.Conv2d(8, 8, 1)
        self.post_quant_conv = nn.Conv2d(4, 4, 1)
        self.decoder = nn.Sequential(nn.Upsample(scale_factor=8), nn.Conv2d(4, 3, 3, padding=1))


class TextLayer(nn.Module):
    """Causal attention and two linear layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 77, width)"""
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(mask, -math.inf)
        x = x + self.out(torch.softmax(scores, dim=-1).to(v) @ v)
        return x + self.mlp(self.norm2(x))


class TextModel(nn.Module):
    """The inside of transformers' CLIPTextModel."""

    def __init__(self, vocabulary: int, width: int, layers: int = 3) -> None:
        super().__init__()
        self.embeddings: Any = nn.Module()
        self.embeddings.token_embedding = nn.Embedding(vocabulary, width)
        self.embeddings.position_embedding = nn.Embedding(77, width)
        self.embeddings.position_ids = torch.arange(77)[None]
        self.encoder: Any = nn.Module()
        self.encoder.layers = nn.ModuleList(TextLayer(width) for _ in range(layers))
        self.final_layer_norm = nn.LayerNorm(width)


class CLIPTextModel(nn.Module):
    """transformers' outline."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.text_model = TextModel(vocabulary, width)

    def forward(self, input_ids: Tensor, output_hidden_states: Any = None) -> Any:
        """As transformers' with `return_dict`."""
        inner = self.text_model
        x = inner.embeddings.token_embedding(input_ids)
        x = x + inner.embeddings.position_embedding(inner.embeddings.position_ids)
        states = [x, *(x := layer(x) for layer in inner.encoder.layers)]
        last = inner.final_layer_norm(x)
        ends = input_ids.argmax(dim=-1)
        return SimpleNamespace(
            last_hidden_state=last,
            hidden_states=tuple(states),
            pooler_output=last[torch.arange(len(last)), ends],
        )


class OpenCLIP(nn.Module):
    """open_clip's outline, as far as anybody looks at it."""

    def __init__(self, vocabulary: int, width: int, layers: int = 3) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(77, width))
        self.transformer: Any = nn.Module()
        self.transformer.resblocks = nn.ModuleList(TextLayer(width) for _ in range(layers))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, width))

    def states(self, tokens: Tensor) -> list[Tensor]:
        """The output of every layer."""
        x = self.token_embedding(tokens) + self.positional_embedding
        return [x := block(x) for block in self.transformer.resblocks]

    def pooled(self, last: Tensor, tokens: Tensor) -> Tensor:
        """The projected state at the end mark."""
        ends = torch.arange(len(last)), tokens.argmax(dim=-1)
        return self.ln_final(last)[ends] @ self.text_projection
