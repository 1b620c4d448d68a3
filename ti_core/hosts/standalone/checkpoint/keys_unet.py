"""UNet: names in the original files → diffusers' names.

The original numbers its blocks in one row; diffusers nests them in levels. With n residual
blocks on a level, level l of the way down begins at input block 1 + l (n + 1) and ends with the
downsampler; level l of the way up begins at output block l (n + 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from .architecture import UNetShape

_OUTSIDE = {
    "input_blocks.0.0.": "conv_in.",
    "time_embed.0.": "time_embedding.linear_1.",
    "time_embed.2.": "time_embedding.linear_2.",
    "label_emb.0.0.": "add_embedding.linear_1.",
    "label_emb.0.2.": "add_embedding.linear_2.",
    "middle_block.0.": "mid_block.resnets.0.",
    "middle_block.1.": "mid_block.attentions.0.",
    "middle_block.2.": "mid_block.resnets.1.",
    "out.0.": "conv_norm_out.",
    "out.2.": "conv_out.",
}
_INSIDE = {
    "op.": "conv.",
    "in_layers.0.": "norm1.",
    "in_layers.2.": "conv1.",
    "emb_layers.1.": "time_emb_proj.",
    "out_layers.0.": "norm2.",
    "out_layers.3.": "conv2.",
    "skip_connection.": "conv_shortcut.",
}


def convert_unet(state: Mapping[str, Tensor], shape: UNetShape) -> dict[str, Tensor]:
    """The UNet's tensors under diffusers' names; unknown keys keep theirs."""
    blocks = dict(_blocks(shape))
    return {_rename(key, blocks): tensor for key, tensor in state.items()}


def _rename(key: str, blocks: Mapping[str, str]) -> str:
    parts = key.split(".", 3)
    prefix = ".".join(parts[:3]) + "."
    if prefix not in blocks:  # "out.0." and the middle have one part less
        prefix = ".".join(parts[:2]) + "."
    if prefix not in blocks:
        return key
    block, rest = blocks[prefix], key.removeprefix(prefix)
    if ".attentions." not in block:
        for old, new in _INSIDE.items():
            if rest.startswith(old):
                return block + new + rest.removeprefix(old)
    return block + rest


def _blocks(shape: UNetShape) -> Iterator[tuple[str, str]]:
    """Prefixes of blocks, original and diffusers'."""
    yield from _OUTSIDE.items()
    stride = shape.layers + 1
    for level in range(len(shape.widths)):
        down, up = f"down_blocks.{level}", f"up_blocks.{level}"
        for j in range(shape.layers):
            block = f"input_blocks.{1 + level * stride + j}"
            yield f"{block}.0.", f"{down}.resnets.{j}."
            yield f"{block}.1.", f"{down}.attentions.{j}."
        yield f"input_blocks.{(level + 1) * stride}.0.", f"{down}.downsamplers.0."
        for j in range(stride):
            yield f"output_blocks.{level * stride + j}.0.", f"{up}.resnets.{j}."
            yield f"output_blocks.{level * stride + j}.1.", f"{up}.attentions.{j}."
        # The upsampler stands after the attention, or in its place where there is none.
        slot = 2 if shape.depths[-1 - level] else 1
        yield f"output_blocks.{level * stride + shape.layers}.{slot}.", f"{up}.upsamplers.0."
