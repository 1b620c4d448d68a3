"""Networks built from our own configurations and filled with a checkpoint's tensors.

Built on the "meta" device, so nothing is initialised only to be overwritten, and no random
number is drawn. All weights are fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...diffusion import Ddpm
from ...errors import CheckpointError
from ...families import Family, LatentFormat
from ...options import SettingValues
from ..common.session import Part
from .checkpoint.architecture import TextShape, UNetShape, VAEShape
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

_WRAPPER = "text_model."


@dataclass
class TextModel:
    """A CLIP text model and how this family uses it."""

    key: str
    model: nn.Module
    """transformers' CLIPTextModel."""
    vocabulary: Vocabulary
    layer: int
    """Which hidden state conditions the UNet, from the end: 1 = last."""
    final_norm: bool
    """Whether it passes the final LayerNorm first."""
    projection: nn.Module | None = None
    """From the end mark's state to the pooled output; SDXL's clip_g only."""

    @property
    def core(self) -> nn.Module:
        """The module with `embeddings`, `encoder` and `final_layer_norm`.

        transformers 4 wraps it in `text_model`; 5 does not.
        """
        core = getattr(self.model, "text_model", self.model)
        assert isinstance(core, nn.Module)
        return core

    @property
    def token_embedding(self) -> nn.Embedding:
        """The table of vectors."""
        table = self.core.get_submodule("embeddings.token_embedding")
        assert isinstance(table, nn.Embedding)
        return table

    @property
    def positions(self) -> int:
        """Length of one chunk with start and end mark: 77."""
        table = self.core.get_submodule("embeddings.position_embedding")
        assert isinstance(table, nn.Embedding)
        return table.num_embeddings


@dataclass
class Model:
    """A loaded Stable Diffusion."""

    family: Family
    diffusion: Ddpm
    unet: nn.Module
    vae: nn.Module
    encoders: tuple[TextModel, ...]
    resolution: int
    name: str
    weights_file: Path
    """What the hash is taken of."""

    def parts(self) -> dict[Part, list[nn.Module]]:
        """Networks with weights, by what is needed together."""
        projections = [e.projection for e in self.encoders if e.projection is not None]
        texts = [*(e.model for e in self.encoders), *projections]
        return {"unet": [self.unet], "vae": [self.vae], "text_encoder": texts}

    def networks(self) -> tuple[nn.Module, ...]:
        """Every network with weights."""
        return tuple(network for part in self.parts().values() for network in part)

    @property
    def latent(self) -> LatentFormat:
        """As the autoencoder's configuration has it; a reduced one has another stride."""
        config: Any = self.vae.config
        scale, shift = float(config.scaling_factor), float(config.get("shift_factor") or 0)
        stride = 2 ** (len(config.block_out_channels) - 1)
        return LatentFormat(scale, shift, int(config.latent_channels), stride)


def build(
    create: Callable[[], nn.Module], state: Mapping[str, Tensor], name: str, strict: bool = True
) -> nn.Module:
    """A network with the given weights, in eval mode and frozen.

    With `strict` weights that the network has no place for are an error, too.

    Raises CheckpointError when weights are missing or have other shapes.
    """
    with torch.device("meta"):
        network = create()
    weights = {key: value.to(torch.float32, copy=True) for key, value in state.items()}
    own = network.state_dict()
    _add_position_ids(own, weights)
    _check_complete(own, weights, name, strict)
    network.load_state_dict({key: weights[key] for key in own}, strict=True, assign=True)
    _materialise_buffers(network)
    return network.eval().requires_grad_(False)


def build_text_model(create: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> nn.Module:
    """A CLIPTextModel from weights without the `text_model.` that transformers 4 has in front.

    Weights that it has no place for are ignored: files carry a few that nobody uses.
    """
    with torch.device("meta"):
        wrapped = any(key.startswith(_WRAPPER) for key in create().state_dict())
    if wrapped:
        state = {_WRAPPER + key: tensor for key, tensor in state.items()}
    return build(create, state, "text encoder", strict=False)


def build_projection(weight: Tensor) -> nn.Linear:
    """The linear layer that makes the pooled output."""
    out_width, in_width = weight.shape

    def create() -> nn.Module:
        return nn.Linear(in_width, out_width, bias=False)

    layer = build(create, {"weight": weight}, "text projection")
    assert isinstance(layer, nn.Linear)
    return layer


def _check_complete(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], name: str, strict: bool
) -> None:
    missing = sorted(own.keys() - weights.keys())
    extra = sorted(weights.keys() - own.keys()) if strict else []
    wrong = sorted(k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape)
    for keys, problem in ((missing, "missing"), (wrong, "of another shape"), (extra, "unknown")):
        if keys:
            raise CheckpointError(
                f"the {name} of this checkpoint cannot be used",
                f"{len(keys)} of {len(own)} weights are {problem}, first '{keys[0]}'",
                "the file is incomplete or of a kind that is not supported",
            )


def _position_ids(length: int) -> Tensor:
    return torch.arange(length).unsqueeze(0)


def _add_position_ids(own: Mapping[str, Tensor], weights: dict[str, Tensor]) -> None:
    """Old transformers count them among the weights."""
    for key, tensor in own.items():
        if key.endswith("position_ids"):
            weights[key] = _position_ids(tensor.shape[-1])


def _materialise_buffers(network: nn.Module) -> None:
    """Newer transformers do not; then they are still on the meta device."""
    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta:
            assert name.endswith("position_ids"), name
            module = network.get_submodule(name.rpartition(".")[0])
            module.position_ids = _position_ids(buffer.shape[-1])


def unet_from_shape(
    shape: UNetShape, side: int, pooled_width: int | None = None
) -> Callable[[], nn.Module]:
    """Creates diffusers' UNet of this shape for latents of `side`; `pooled_width` of the text is
    needed for SDXL."""
    config = _unet_config(shape, side)
    if pooled_width is not None:
        config |= _added_input(shape, pooled_width)
    return lambda: _unet_class()(**config)


def _unet_config(shape: UNetShape, side: int) -> SettingValues:
    if shape.depths[-1] not in (0, shape.middle_depth) or not shape.middle_depth:
        raise CheckpointError("the UNet has an unknown layout", "its middle differs in depth")
    down = ("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in shape.depths)
    up = ("CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(shape.depths))
    return {
        "sample_size": side,
        "in_channels": shape.in_channels,
        "out_channels": shape.out_channels,
        "down_block_types": tuple(down),
        "up_block_types": tuple(up),
        "block_out_channels": shape.widths,
        "layers_per_block": shape.layers,
        # The last of them is also the middle's.
        "transformer_layers_per_block": tuple(d or shape.middle_depth for d in shape.depths),
        "cross_attention_dim": shape.context_width,
        "attention_head_dim": shape.heads,  # diffusers' name for the number of heads
        "use_linear_projection": shape.linear_projection,
    }


def _added_input(shape: UNetShape, pooled_width: int) -> SettingValues:
    """SDXL's second input: pooled text, and six numbers about the picture's size."""
    size_width, rest = divmod((shape.added_width or 0) - pooled_width, 6)
    if rest or size_width <= 0:
        raise CheckpointError("the UNet does not fit the text encoders", "their widths disagree")
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": size_width,
        "projection_class_embeddings_input_dim": shape.added_width,
    }


def vae_from_shape(shape: VAEShape, resolution: int, scale: float) -> Callable[[], nn.Module]:
    """Creates diffusers' AutoencoderKL of this shape."""
    levels = len(shape.widths)
    config: SettingValues = {
        "sample_size": resolution,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": shape.widths,
        "layers_per_block": shape.layers,
        "latent_channels": shape.latent_channels,
        "scaling_factor": scale,
    }
    return lambda: _vae_class()(**config)


def text_from_shape(shape: TextShape, layers: int) -> Callable[[], nn.Module]:
    """Creates transformers' CLIPTextModel of this shape, with its first `layers` blocks."""
    return text_from_config(
        {
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": shape.positions,
            "hidden_size": shape.width,
            "intermediate_size": shape.hidden_width,
            "num_hidden_layers": layers,
            "num_attention_heads": shape.heads,
            "hidden_act": shape.activation,
            "projection_dim": shape.projection or shape.width,
            # The marks are the last two of the vocabulary; only transformers' checks want them.
            "bos_token_id": shape.vocabulary - 2,
            "eos_token_id": shape.vocabulary - 1,
            "pad_token_id": shape.vocabulary - 1,
        }
    )


def unet_from_config(config: SettingValues) -> Callable[[], nn.Module]:
    """Creates diffusers' UNet from a folder's `config.json`."""
    return lambda: _unet_class().from_config(config)


def vae_from_config(config: SettingValues) -> Callable[[], nn.Module]:
    """Creates diffusers' AutoencoderKL from a folder's `config.json`."""
    return lambda: _vae_class().from_config(config)


_TEXT_FIELDS = (
    "vocab_size max_position_embeddings hidden_size intermediate_size num_hidden_layers "
    "num_attention_heads hidden_act projection_dim layer_norm_eps bos_token_id eos_token_id "
    "pad_token_id"
).split()


def text_from_config(config: SettingValues) -> Callable[[], nn.Module]:
    """Creates transformers' CLIPTextModel from a folder's `config.json`."""
    from transformers import CLIPTextConfig, CLIPTextModel

    fields = {name: config[name] for name in _TEXT_FIELDS if name in config}
    return lambda: CLIPTextModel(CLIPTextConfig(**fields))


def _unet_class() -> type[UNet2DConditionModel]:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel


def _vae_class() -> type[AutoencoderKL]:
    from diffusers import AutoencoderKL

    return AutoencoderKL
