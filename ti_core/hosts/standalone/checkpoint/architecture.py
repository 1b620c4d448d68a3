"""The shapes of a checkpoint's networks, read off its tensors.

Nothing is assumed about widths, depths or the number of levels, so reduced layouts open too.
Only the number of attention heads leaves no trace in the tensors; it follows the families'
custom: 8 heads (SD1), or heads 64 wide (SD2, SDXL, text encoders). Where a width does not allow
that, it is the nearest smaller number of heads that divides it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ....errors import CheckpointError
from ....families import Family
from ....files.advice import AGAIN

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True)
class UNetShape:
    """What a UNet of Stable Diffusion can vary in. Tuples go from the outermost level inwards."""

    in_channels: int
    out_channels: int
    widths: tuple[int, ...]
    layers: int
    """Residual blocks on each level."""
    depths: tuple[int, ...]
    """Transformer blocks in each attention of a level; 0 = no attention there."""
    middle_depth: int
    context_width: int
    heads: tuple[int, ...]
    linear_projection: bool
    added_width: int | None
    """Width of SDXL's pooled text and sizes together; None for SD1 and SD2."""


@dataclass(frozen=True)
class VAEShape:
    """What the autoencoder can vary in."""

    widths: tuple[int, ...]
    layers: int
    latent_channels: int


@dataclass(frozen=True)
class TextShape:
    """What a CLIP text encoder can vary in."""

    vocabulary: int
    positions: int
    width: int
    hidden_width: int
    layers: int
    heads: int
    activation: str
    projection: int | None = None
    """Width of the pooled output, where there is a projection."""


def unet_shape(state: StateDict, family: Family) -> UNetShape:
    """Shape of a UNet from its tensors under the original names (without prefix)."""
    blocks = _count(state, r"input_blocks\.(\d+)\.")
    downs = [i for i in range(blocks) if f"input_blocks.{i}.0.op.weight" in state]
    starts, ends = [1, *(i + 1 for i in downs)], [*downs, blocks]
    levels = [range(start, end) for start, end in zip(starts, ends, strict=True)]
    layers = {len(level) for level in levels}
    if len(layers) != 1 or 0 in layers:
        raise CheckpointError("the UNet has an unknown layout", "its levels differ in depth")
    firsts = [f"input_blocks.{level[0]}." for level in levels]
    widths = tuple(_rows(state, f"{first}0.out_layers.3.weight") for first in firsts)
    depths = tuple(_depth(state, f"{first}1.") for first in firsts)
    attention = _first(state, r".*transformer_blocks\.0\.attn2\.to_k\.weight$", "cross-attention")
    projection = _first(state, r".*\.1\.proj_in\.weight$", "cross-attention")
    label = "label_emb.0.0.weight"
    _check_groups(widths, "UNet")
    return UNetShape(
        in_channels=_columns(state, "input_blocks.0.0.weight"),
        out_channels=_rows(state, "out.2.weight"),
        widths=widths,
        layers=layers.pop(),
        depths=depths,
        middle_depth=_depth(state, "middle_block.1."),
        context_width=_columns(state, attention),
        heads=tuple(unet_heads(width, family) for width in widths),
        linear_projection=state[projection].dim() == 2,
        added_width=_columns(state, label) if label in state else None,
    )


def vae_shape(state: StateDict) -> VAEShape:
    """Shape of a VAE from its tensors under the original names (without prefix)."""
    levels = _count(state, r"encoder\.down\.(\d+)\.")
    widths = tuple(_rows(state, f"encoder.down.{i}.block.0.conv1.weight") for i in range(levels))
    _check_groups(widths, "VAE")
    if _count(state, r"decoder\.up\.(\d+)\.") != levels:
        raise CheckpointError("the VAE has an unknown layout", "its two halves differ in levels")
    return VAEShape(
        widths=widths,
        layers=_count(state, r"encoder\.down\.0\.block\.(\d+)\."),
        latent_channels=_rows(state, "post_quant_conv.weight"),
    )


def clip_shape(state: StateDict) -> TextShape:
    """Shape of OpenAI's CLIP text encoder, under transformers' names (without `text_model.`)."""
    tokens = "embeddings.token_embedding.weight"
    width = _columns(state, tokens)
    return TextShape(
        vocabulary=_rows(state, tokens),
        positions=_rows(state, "embeddings.position_embedding.weight"),
        width=width,
        hidden_width=_rows(state, "encoder.layers.0.mlp.fc1.weight"),
        layers=_count(state, r"encoder\.layers\.(\d+)\."),
        heads=heads_of_width(width),
        activation="quick_gelu",
    )


def open_clip_shape(state: StateDict) -> TextShape:
    """Shape of OpenCLIP's text encoder, under its own names."""
    tokens, projection = "token_embedding.weight", "text_projection"
    width = _columns(state, tokens)
    return TextShape(
        vocabulary=_rows(state, tokens),
        positions=_rows(state, "positional_embedding"),
        width=width,
        hidden_width=_rows(state, "transformer.resblocks.0.mlp.c_fc.weight"),
        layers=_count(state, r"transformer\.resblocks\.(\d+)\."),
        heads=heads_of_width(width),
        activation="gelu",
        projection=_columns(state, projection) if projection in state else None,
    )


def unet_heads(width: int, family: Family) -> int:
    """Attention heads of a UNet level; see `Family.heads`."""
    return _divisor(width, family.heads) if family.heads else heads_of_width(width)


def heads_of_width(width: int) -> int:
    """One head for each 64 channels, as in CLIP, SD2 and SDXL; at least one."""
    return _divisor(width, max(1, width // 64))


def _divisor(width: int, at_most: int) -> int:
    return next(n for n in range(at_most, 0, -1) if width % n == 0)


def _check_groups(widths: tuple[int, ...], name: str) -> None:
    """Every family normalises in 32 groups."""
    if any(width % 32 for width in widths):
        why = f"widths {', '.join(map(str, widths))} are not all multiples of 32"
        raise CheckpointError(f"the {name} has an unknown layout", why)


def _rows(state: StateDict, key: str) -> int:
    return _size(state, key, 0)


def _columns(state: StateDict, key: str) -> int:
    return _size(state, key, 1)


def _size(state: StateDict, key: str, dimension: int) -> int:
    if key not in state:
        raise CheckpointError("the checkpoint is incomplete", f"'{key}' is missing", AGAIN)
    shape = tuple(state[key].shape)
    if len(shape) <= dimension or not all(shape):
        why = f"'{key}' has the shape {shape}"
        raise CheckpointError("the checkpoint has an unknown layout", why)
    return shape[dimension]


def _first(state: StateDict, pattern: str, name: str) -> str:
    """The first name that a pattern fits."""
    found = next((key for key in sorted(state) if re.match(pattern, key)), None)
    if found is None:
        raise CheckpointError("the checkpoint is incomplete", f"the UNet has no {name}", AGAIN)
    return found


def _count(state: StateDict, pattern: str) -> int:
    """How many numbers the pattern's group finds. They must count from 0 without a gap: a number
    alone is easily written, and would stand for all below it."""
    matches = (re.match(pattern, key) for key in state)
    found = {match[1] for match in matches if match}
    if found != set(map(str, range(len(found)))):
        name = re.sub(r"\\(.)", r"\1", pattern.partition("(")[0])
        why = f"the numbers behind '{name}' do not count from 0 to {len(found) - 1}"
        raise CheckpointError("the checkpoint has an unknown layout", why)
    return len(found)


def _depth(state: StateDict, prefix: str) -> int:
    return _count(state, re.escape(prefix) + r"transformer_blocks\.(\d+)\.")
