"""Networks built from our own configurations and filled with a checkpoint's tensors.

Built on the "meta" device, so nothing is initialised only to be overwritten, and no random
number is drawn. The weights are the file's own tensors; see `weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...diffusion import Ddpm
from ...errors import CheckpointError, UnsafeFileError
from ...families import Family, LatentFormat
from ...files.advice import UNSAFE
from ...options import SettingValues
from ..common.session import Part
from .checkpoint.architecture import TextShape, UNetShape, VAEShape
from .checkpoint.reading import CheckpointFile
from .vocabulary import Vocabulary
from .weights import Weights

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

_WRAPPER = "text_model."
_FLOATS = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz),
)
_WAY_UP = "reverse_transformer_layers_per_block"
_LONGEST_REASON = 300
_FEWEST_POSITIONS = 3
"""A start mark, one token, an end mark."""
_MOST_BLOCKS = 1000
"""SDXL's U-Net has 130."""
_WEIGHTS_OF_BLOCK = 8
"""The smallest block, a residual one of a VAE, has so many weights."""


@dataclass(frozen=True)
class Blueprint:
    """How to build a network, and how large it will be."""

    create: Callable[[], nn.Module]
    blocks: int
    """Residual blocks and transformer layers, those of the way up left out."""

    def __call__(self) -> nn.Module:
        """The network. Raises CheckpointError for a configuration that makes none."""
        try:
            return self.create()
        except Exception as error:  # the libraries raise whatever comes up in them
            why = str(error).partition("\n")[0][:_LONGEST_REASON]
            raise CheckpointError("this checkpoint describes no network", why) from error

    def require_paid(self, state: Mapping[str, Tensor], name: str) -> None:
        """Raise CheckpointError for more blocks than the weights can fill: each takes time and
        memory to build."""
        if self.blocks > min(_MOST_BLOCKS, len(state) // _WEIGHTS_OF_BLOCK):
            raise CheckpointError(
                f"the {name} of this checkpoint cannot be used",
                f"{self.blocks} blocks are described, and there are {len(state)} weights",
                "the files are incomplete or of a kind that is not supported",
            )


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

    def __post_init__(self) -> None:
        """Raises CheckpointError when the parts do not belong together."""
        rows, layers = self.token_embedding.num_embeddings, len(self.layers)
        largest = max(self.vocabulary.largest, self.vocabulary.pad)
        width = getattr(self.projection, "in_features", self.token_embedding.embedding_dim)
        for broken, why in (
            (largest >= rows, f"the vocabulary has {largest + 1} tokens, the network {rows}"),
            (layers < self.layer, f"the network has {layers} layers, {self.layer} are needed"),
            (self.positions < _FEWEST_POSITIONS, f"it takes {self.positions} tokens at once"),
            (width != self.token_embedding.embedding_dim, "its projection has another width"),
        ):
            if broken:
                raise CheckpointError("the text encoder cannot be used", why)

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer's layers, the first one first."""
        layers = self.core.get_submodule("encoder.layers")
        assert isinstance(layers, nn.ModuleList)
        return layers

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
    files: Sequence[CheckpointFile] = ()
    """Where the weights are."""

    def parts(self) -> dict[Part, list[nn.Module]]:
        """Networks with weights, by what is needed together."""
        projections = [e.projection for e in self.encoders if e.projection is not None]
        texts = [*(e.model for e in self.encoders), *projections]
        return {"unet": [self.unet], "vae": [self.vae], "text_encoder": texts}

    def networks(self) -> tuple[nn.Module, ...]:
        """Every network with weights."""
        return tuple(network for part in self.parts().values() for network in part)

    @cached_property
    def weights(self) -> dict[Part, Weights]:
        """Those of each part, at rest until they are placed."""
        return {part: Weights(networks, self.files) for part, networks in self.parts().items()}

    @property
    def latent(self) -> LatentFormat:
        """As the autoencoder's configuration has it; a reduced one has another stride."""
        config: Any = self.vae.config
        scale, shift = float(config.scaling_factor), float(config.get("shift_factor") or 0)
        stride = 2 ** (len(config.block_out_channels) - 1)
        return LatentFormat(scale, shift, int(config.latent_channels), stride)


def build(
    blueprint: Blueprint, state: Mapping[str, Tensor], name: str, strict: bool = True
) -> nn.Module:
    """A network with the given weights, in eval mode and frozen.

    With `strict` weights that the network has no place for are an error, too. Nothing is built
    that the weights cannot fill, and nothing is copied or converted.

    Raises CheckpointError when weights are missing or have other shapes, or are not numbers with a
    point; UnsafeFileError when they share their memory.
    """
    blueprint.require_paid(state, name)
    with torch.device("meta"):
        network = blueprint()
    positions = _all_position_ids(network.state_dict())
    own = {key: each for key, each in network.state_dict().items() if key not in positions}
    _check_complete(own, state, name, strict)
    wanted = {key: state[key] for key in own}
    _require_memory_of_their_own(wanted.values(), name)
    network.load_state_dict({**wanted, **positions}, strict=True, assign=True)
    _materialise_buffers(network)
    return network.eval().requires_grad_(False)


def build_text_model(blueprint: Blueprint, state: Mapping[str, Tensor]) -> nn.Module:
    """A CLIPTextModel from weights without the `text_model.` that transformers 4 has in front.

    Weights that it has no place for are ignored: files carry a few that no one uses.
    """
    blueprint.require_paid(state, "text encoder")
    with torch.device("meta"):
        wrapped = any(key.startswith(_WRAPPER) for key in blueprint().state_dict())
    if wrapped:
        state = {_WRAPPER + key: tensor for key, tensor in state.items()}
    return build(blueprint, state, "text encoder", strict=False)


def build_projection(weight: Tensor) -> nn.Linear:
    """The linear layer that makes the pooled output."""
    if weight.dim() != 2:
        why = f"'text_projection' has the shape {tuple(weight.shape)}"
        raise CheckpointError("the checkpoint has an unknown layout", why)
    out_width, in_width = weight.shape
    blueprint = Blueprint(lambda: nn.Linear(in_width, out_width, bias=False), 0)
    layer = build(blueprint, {"weight": weight}, "text projection")
    assert isinstance(layer, nn.Linear)
    return layer


def _check_complete(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], name: str, strict: bool
) -> None:
    both = own.keys() & weights.keys()
    missing = sorted(own.keys() - weights.keys())
    extra = sorted(weights.keys() - own.keys()) if strict else []
    wrong = sorted(key for key in both if own[key].shape != weights[key].shape)
    whole = sorted(key for key in both if weights[key].dtype not in _FLOATS)
    for keys, problem in (
        *((missing, "missing"), (wrong, "of another shape"), (extra, "unknown")),
        (whole, "no numbers with a point"),
    ):
        if keys:
            raise CheckpointError(
                f"the {name} of this checkpoint cannot be used",
                f"{len(keys)} of {len(own)} weights are {problem}, first '{keys[0][:200]}'",
                "the file is incomplete or of a kind that is not supported",
            )


def _require_memory_of_their_own(weights: Collection[Tensor], name: str) -> None:
    """Raise UnsafeFileError where a small storage stands for a large network: each of its names
    would become a copy."""
    spans = sorted((each.data_ptr(), each.data_ptr() + each.nbytes) for each in weights)
    held, end = 0, 0
    for start, stop in spans:
        held += max(0, stop - max(start, end))
        end = max(end, stop)
    if sum(stop - start for start, stop in spans) > 2 * held:
        why = f"many weights of its {name} are the same numbers in the file"
        fix = UNSAFE
        raise UnsafeFileError("this checkpoint was rejected", why, fix)


def _position_ids(length: int) -> Tensor:
    return torch.arange(length).unsqueeze(0)


def _all_position_ids(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Old transformers count them among the weights."""
    found = {key: tensor for key, tensor in own.items() if key.endswith("position_ids")}
    return {key: _position_ids(tensor.shape[-1]) for key, tensor in found.items()}


def _materialise_buffers(network: nn.Module) -> None:
    """Newer transformers do not; then they are still on the meta device."""
    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta:
            assert name.endswith("position_ids"), name
            module = network.get_submodule(name.rpartition(".")[0])
            module.position_ids = _position_ids(buffer.shape[-1])


def unet_from_shape(shape: UNetShape, side: int, pooled_width: int | None = None) -> Blueprint:
    """Creates diffusers' UNet of this shape for latents of `side`; `pooled_width` of the text is
    needed for SDXL."""
    config = _unet_config(shape, side)
    if pooled_width is not None:
        config |= _added_input(shape, pooled_width)
    return unet_from_config(config)


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
    """SDXL's second input: pooled text, and six numbers about the image's size."""
    size_width, rest = divmod((shape.added_width or 0) - pooled_width, 6)
    if rest or size_width <= 0:
        raise CheckpointError("the UNet does not fit the text encoders", "their widths disagree")
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": size_width,
        "projection_class_embeddings_input_dim": shape.added_width,
    }


def vae_from_shape(shape: VAEShape, resolution: int, scale: float) -> Blueprint:
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
    return vae_from_config(config)


def text_from_shape(shape: TextShape, layers: int) -> Blueprint:
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


def unet_from_config(config: SettingValues) -> Blueprint:
    """Creates diffusers' UNet from a folder's `config.json`, read by `read_levels`."""
    return Blueprint(lambda: _unet_class()(**config), _blocks_of_unet(config))


def _blocks_of_unet(config: SettingValues) -> int:
    levels = len(config["block_out_channels"])
    layers = _for_each(config.get("layers_per_block", 2), levels)
    depths = _for_each(config.get("transformer_layers_per_block", 1), levels)
    attentive = ["CrossAttn" in kind for kind in config["down_block_types"]]
    transformers = (
        _sum(depth) * (1 if isinstance(depth, tuple) else count)
        for count, depth, attends in zip(layers, depths, attentive, strict=True)
        if attends
    )
    return sum(layers) + max(sum(transformers), _sum(config.get(_WAY_UP) or 0))


def _for_each(value: Any, levels: int) -> tuple[Any, ...]:
    """One for each level."""
    return value if isinstance(value, tuple) else (value,) * levels


def _sum(value: Any) -> int:
    return sum(map(_sum, value)) if isinstance(value, tuple) else int(value)


def vae_from_config(config: SettingValues) -> Blueprint:
    """Creates diffusers' AutoencoderKL from a folder's `config.json`, read by `read_levels`."""
    blocks = len(config["block_out_channels"]) * config.get("layers_per_block", 1)
    return Blueprint(lambda: _vae_class()(**config), blocks)


def text_from_config(config: SettingValues) -> Blueprint:
    """Creates transformers' CLIPTextModel from a folder's `config.json`, read by `read_config`."""
    from transformers import CLIPTextConfig, CLIPTextModel

    blocks = config.get("num_hidden_layers", CLIPTextConfig().num_hidden_layers)
    return Blueprint(lambda: CLIPTextModel(CLIPTextConfig(**config)), blocks)


def _unet_class() -> type[UNet2DConditionModel]:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel


def _vae_class() -> type[AutoencoderKL]:
    from diffusers import AutoencoderKL

    return AutoencoderKL
