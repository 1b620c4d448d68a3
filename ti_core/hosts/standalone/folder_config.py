"""What the configurations of a diffusers folder may say: every value with its type and range.

They are as trustworthy as the weights beside them. A value that is not declared here is never
handed to the libraries that build networks, and none is handed over before it was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...errors import CheckpointError, FileError
from ...files.text_file import read_json
from ...options import SettingValues

_MOST_LEVELS = 8
_LONGEST_VALUE = 64


class Rule(Protocol):
    """What a value may be. Its text continues from "must be"."""

    def accepts(self, value: object) -> bool:
        """Whether it is one of these."""


@dataclass(frozen=True)
class Whole:
    """A whole number of this range, both ends included."""

    low: int
    high: int

    def accepts(self, value: object) -> bool:
        """See `Rule`."""
        return type(value) is int and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Number:
    """A number of this range, both ends included."""

    low: float
    high: float

    def accepts(self, value: object) -> bool:
        """See `Rule`."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class OneOf:
    """One of these values, of the same type."""

    values: tuple[object, ...]

    def accepts(self, value: object) -> bool:
        """See `Rule`."""
        return any(type(value) is type(each) and value == each for each in self.values)

    def __str__(self) -> str:
        return " or ".join("null" if each is None else f"{each!r}" for each in self.values)


@dataclass(frozen=True)
class ListOf:
    """A list of at most so many of these."""

    rule: Rule
    most: int = _MOST_LEVELS

    def accepts(self, value: object) -> bool:
        """See `Rule`."""
        if not isinstance(value, list) or not 1 <= len(value) <= self.most:
            return False
        return all(map(self.rule.accepts, value))

    def __str__(self) -> str:
        return f"a list of 1 to {self.most}, each {self.rule}"


@dataclass(frozen=True)
class Either:
    """Any of these."""

    rules: tuple[Rule, ...]

    def accepts(self, value: object) -> bool:
        """See `Rule`."""
        return any(rule.accepts(value) for rule in self.rules)

    def __str__(self) -> str:
        return ", or ".join(map(str, self.rules))


def _or_null(rule: Rule) -> Rule:
    return Either((rule, _NULL))


def _each(rule: Rule) -> Rule:
    """One for all levels, or one for each."""
    return Either((rule, ListOf(rule)))


_NULL = OneOf((None,))
_TRUTH = OneOf((True, False, None))
_POSITIVE = Number(1e-6, 1e6)
_SIDE = Whole(1, 2**14)
_WIDTH = Whole(1, 2**14)
_LAYERS, _DEPTH = Whole(1, 32), Whole(0, 64)
_ACTIVATION = OneOf(("silu", "swish", "mish", "gelu", "relu"))
_SIZE = _or_null(Either((_SIDE, ListOf(_SIDE, 2))))
_DEPTHS = _each(Either((_DEPTH, ListOf(_DEPTH))))
_MARK = _or_null(Whole(0, 2**31))

UNET: Mapping[str, Rule] = {
    "act_fn": _ACTIVATION,
    "addition_embed_type": OneOf((None, "text_time")),
    "addition_embed_type_num_heads": Whole(1, 1024),
    "addition_time_embed_dim": _or_null(Whole(2, 2**14)),
    "attention_head_dim": _each(Whole(1, 1024)),
    "attention_type": OneOf(("default",)),
    "block_out_channels": ListOf(_WIDTH),
    "center_input_sample": _TRUTH,
    "class_embed_type": _NULL,
    "class_embeddings_concat": _TRUTH,
    "conv_in_kernel": OneOf((1, 3, 5, 7)),
    "conv_out_kernel": OneOf((1, 3, 5, 7)),
    "cross_attention_dim": _WIDTH,
    "cross_attention_norm": OneOf((None, "layer_norm", "group_norm")),
    "down_block_types": ListOf(OneOf(("CrossAttnDownBlock2D", "DownBlock2D"))),
    "downsample_padding": Whole(0, 1),
    "dropout": Number(0, 1),
    "dual_cross_attention": OneOf((False, None)),
    "encoder_hid_dim": _NULL,
    "encoder_hid_dim_type": _NULL,
    "flip_sin_to_cos": _TRUTH,
    "freq_shift": Number(0, 1),
    "in_channels": Whole(1, 64),
    "layers_per_block": _each(_LAYERS),
    "mid_block_only_cross_attention": _TRUTH,
    "mid_block_scale_factor": _POSITIVE,
    "mid_block_type": OneOf((None, "UNetMidBlock2DCrossAttn", "UNetMidBlock2D")),
    "norm_eps": Number(0, 1),
    "norm_num_groups": Whole(1, 1024),
    "num_attention_heads": _NULL,
    "num_class_embeds": _NULL,
    "only_cross_attention": _each(_TRUTH),
    "out_channels": Whole(1, 64),
    "projection_class_embeddings_input_dim": _or_null(_WIDTH),
    "resnet_out_scale_factor": _POSITIVE,
    "resnet_skip_time_act": _TRUTH,
    "resnet_time_scale_shift": OneOf(("default", "scale_shift")),
    "reverse_transformer_layers_per_block": _or_null(_DEPTHS),
    "sample_size": _SIZE,
    "time_cond_proj_dim": _or_null(_WIDTH),
    "time_embedding_act_fn": Either((_NULL, _ACTIVATION)),
    "time_embedding_dim": _or_null(_WIDTH),
    "time_embedding_type": OneOf(("positional", "fourier")),
    "timestep_post_act": Either((_NULL, _ACTIVATION)),
    "transformer_layers_per_block": _DEPTHS,
    "up_block_types": ListOf(OneOf(("CrossAttnUpBlock2D", "UpBlock2D"))),
    "upcast_attention": _TRUTH,
    "use_linear_projection": _TRUTH,
}
"""diffusers' UNet2DConditionModel, as far as a session can feed it."""
VAE: Mapping[str, Rule] = {
    "act_fn": _ACTIVATION,
    "block_out_channels": ListOf(_WIDTH),
    "down_block_types": ListOf(OneOf(("DownEncoderBlock2D",))),
    "force_upcast": _TRUTH,
    "in_channels": Whole(3, 3),
    "latent_channels": Whole(1, 64),
    "latents_mean": _or_null(ListOf(Number(-1e6, 1e6), 64)),
    "latents_std": _or_null(ListOf(_POSITIVE, 64)),
    "layers_per_block": _LAYERS,
    "mid_block_add_attention": _TRUTH,
    "norm_num_groups": Whole(1, 1024),
    "out_channels": Whole(3, 3),
    "sample_size": _SIZE,
    "scaling_factor": _POSITIVE,
    "shift_factor": _or_null(Number(-1e6, 1e6)),
    "up_block_types": ListOf(OneOf(("UpDecoderBlock2D",))),
    "use_post_quant_conv": _TRUTH,
    "use_quant_conv": _TRUTH,
}
"""diffusers' AutoencoderKL."""
TEXT_ENCODER: Mapping[str, Rule] = {
    "bos_token_id": _MARK,
    "eos_token_id": Whole(0, 2**31),
    "hidden_act": OneOf(("quick_gelu", "gelu")),
    "hidden_size": _WIDTH,
    "intermediate_size": Whole(1, 2**16),
    "layer_norm_eps": Number(0, 1),
    "max_position_embeddings": Whole(3, 2**14),
    "num_attention_heads": Whole(1, 1024),
    "num_hidden_layers": Whole(1, 256),
    "pad_token_id": _MARK,
    "projection_dim": _or_null(_WIDTH),
    "vocab_size": Whole(3, 2**20),
}
"""transformers' CLIPTextModel."""
SCHEDULER: Mapping[str, Rule] = {
    "beta_end": Number(1e-9, 0.999),
    "beta_schedule": OneOf(("scaled_linear", "linear")),
    "beta_start": Number(1e-9, 0.999),
    "num_train_timesteps": Whole(2, 10_000),
    "prediction_type": OneOf(("epsilon", "v_prediction")),
    "rescale_betas_zero_snr": _TRUTH,
    "trained_betas": _or_null(ListOf(Number(1e-9, 0.999), 10_000)),
}
"""Any scheduler of diffusers: what it says of the noise that the network was trained with."""


_PER_LEVEL = (
    "attention_head_dim down_block_types layers_per_block only_cross_attention "
    "transformer_layers_per_block reverse_transformer_layers_per_block up_block_types"
).split()
_LEVELS = "block_out_channels"
_ALWAYS_LISTS = ("down_block_types", "up_block_types")


def read_config(path: Path, rules: Mapping[str, Rule]) -> SettingValues:
    """The declared values of a configuration file, lists as tuples; others are left out.

    Raises CheckpointError for a file that is missing, holds no object, or breaks a rule.
    """
    if not path.exists():
        why = f"{path.parent.name}/{path.name} is missing"
        what = f"{path.parent.parent} is not a complete diffusers folder"
        raise CheckpointError(what, why, "download the missing files")
    try:
        found = read_json(path)
    except FileError as error:
        raise CheckpointError(error.what, error.why, error.fix) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} cannot be read", "it is not an object")
    values = {key: found[key] for key in rules if key in found}
    for key, value in values.items():
        if not rules[key].accepts(value):
            raise _unusable(path, f"{key} is {_short(value)}, and must be {rules[key]}")
    return {key: _tuples(value) for key, value in values.items()}


def read_levels(path: Path, rules: Mapping[str, Rule]) -> SettingValues:
    """The configuration of a UNet or VAE, whose lists must have an entry for each level.

    Raises CheckpointError as `read_config` does.
    """
    config = read_config(path, rules)
    if _LEVELS not in config:
        raise _unusable(path, f"it has no {_LEVELS}")
    levels = len(config[_LEVELS])
    for key in _PER_LEVEL:
        value = config.get(key, () if key in _ALWAYS_LISTS else 1)
        if isinstance(value, tuple) and len(value) != levels:
            raise _unusable(path, f"{key} has {len(value)} entries, {_LEVELS} has {levels}")
    return config


def _unusable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} describes no model that can be used", why)


def _short(value: object) -> str:
    """A list may have no end, and a number a thousand digits."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    if type(value) is int and value.bit_length() > _LONGEST_VALUE:
        return f"a number of {value.bit_length()} bits"
    text = f"{value!r}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
