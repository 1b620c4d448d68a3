"""VAE: names in the original files → diffusers' names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .architecture import VAEShape

_RULES = (
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
    (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
    (r"\.down\.(\d+)\.block\.", r".down_blocks.\1.resnets."),
    (r"\.down\.(\d+)\.downsample\.", r".down_blocks.\1.downsamplers.0."),
    (r"\.block\.", ".resnets."),
    (r"\.upsample\.", ".upsamplers.0."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.norm_out\.", ".conv_norm_out."),
)


def convert_vae(state: Mapping[str, Tensor], shape: VAEShape) -> dict[str, Tensor]:
    """The VAE's tensors under diffusers' names; unknown keys keep theirs."""
    levels = len(shape.widths)
    return dict(_convert(key, tensor, levels) for key, tensor in state.items())


def _convert(key: str, tensor: Tensor, levels: int) -> tuple[str, Tensor]:
    if ".mid.attn_1." in key and tensor.shape[2:] == (1, 1):
        tensor = tensor[:, :, 0, 0]  # a 1×1 convolution there, a linear layer here
    # The original numbers the decoder's levels from the outermost, diffusers in order of use.
    up = re.match(r"(decoder\.)up\.(\d+)(\..*)", key)
    if up:
        key = f"{up[1]}up_blocks.{levels - 1 - int(up[2])}{up[3]}"
    for old, new in _RULES:
        key = re.sub(old, new, key)
    return key, tensor
