"""Text encoders: names in the original files → transformers' names, without `text_model.`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from ....errors import CheckpointError

PROJECTION = "text_projection.weight"
"""The pooled output's projection, (out, in) as a linear layer has it."""

_OPEN_CLIP_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_OPEN_CLIP_OUTSIDE = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_NOT_USED = ("logit_scale", "attn_mask", "embeddings.position_ids")


def convert_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's CLIP as transformers has it; early merges lack the `text_model.` in the names."""
    names = ((key.removeprefix("text_model."), tensor) for key, tensor in state.items())
    return {key: tensor for key, tensor in names if key not in _NOT_USED}


def convert_open_clip(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """OpenCLIP's text tower; keeps the first `layers` blocks.

    Query, key and value are in one matrix there and in three here; the projection is transposed.
    """
    converted = {}
    for key, tensor in state.items():
        block = re.match(r"transformer\.resblocks\.(\d+)\.(.*)", key)
        if block is None:
            converted.update(_convert_outside(key, tensor))
        elif int(block[1]) < layers:
            prefix = f"encoder.layers.{block[1]}."
            converted.update({prefix + k: v for k, v in _convert_block(block[2], tensor)})
    return converted


def _convert_outside(key: str, tensor: Tensor) -> dict[str, Tensor]:
    if key == "text_projection":
        return {PROJECTION: tensor.T}
    if key in _NOT_USED:
        return {}
    return {_OPEN_CLIP_OUTSIDE.get(key, key): tensor}


def _convert_block(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if name.startswith("attn.in_proj_"):
        kind = name.removeprefix("attn.in_proj_")
        if not tensor.dim() or len(tensor) % 3:
            why = f"'{name}' has the shape {tuple(tensor.shape)}"
            raise CheckpointError("the checkpoint has an unknown layout", why)
        for part, piece in zip("qkv", tensor.chunk(3), strict=True):
            yield f"self_attn.{part}_proj.{kind}", piece
        return
    stem, _, kind = name.rpartition(".")
    yield f"{_OPEN_CLIP_BLOCK.get(stem, stem)}.{kind}", tensor
