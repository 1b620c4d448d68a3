"""Checkpoints and diffusers folders that lie: about layers, shapes, types, and what they hold."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.checkpoints import Layout, original_state, tiny

from . import attacks, bombs, containers
from .assembler import raw_zip, table, torch_zip, value, zipped
from .case import Case, answered, no_model, writer
from .texts import changed, copy_of_model

State = dict[str, Tensor]
Make = Callable[[Path], object]

_TEXT = "cond_stage_model.transformer.text_model."
_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
_SMALL: Layout = replace(
    tiny("sd1"), unet_widths=(32, 32), unet_depths=(1, 0), vae_widths=(32, 32), vocabulary=1533
)


@cache
def _state() -> State:
    return original_state(_SMALL)


def _without(state: State, *starts: str) -> State:
    return {key: each for key, each in state.items() if not key.startswith(starts)}


# --- names ------------------------------------------------------------------------------------

_PLACES_OF_NUMBERS = (
    _TEXT + "encoder.layers.{}.x",
    _UNET + "input_blocks.{}.0.x",
    _UNET + "input_blocks.1.1.transformer_blocks.{}.x",
    _UNET + "middle_block.1.transformer_blocks.{}.x",
    _VAE + "encoder.down.{}.x",
    _VAE + "encoder.down.0.block.{}.x",
    _VAE + "decoder.up.{}.x",
)
NUMBERS = {
    "a billion": "999999999", "five thousand digits": "9" * 5000, "a gap": "7",
    "a zero before it": "00", "foreign digits": "٣",
}  # fmt: skip


def _names() -> Iterator[tuple[str, State]]:
    """(what is wrong, what is added)"""
    for place in _PLACES_OF_NUMBERS:
        for what, number in NUMBERS.items():
            short = place.replace("{}", "N").replace(_TEXT, "text ")[:60]
            yield f"{what} for {short}", {place.format(number): torch.ones(1)}


# --- shapes and types -------------------------------------------------------------------------

_MEASURED = (
    _TEXT + "embeddings.token_embedding.weight",
    _TEXT + "embeddings.position_embedding.weight",
    _TEXT + "encoder.layers.0.mlp.fc1.weight",
    _UNET + "input_blocks.0.0.weight",
    _UNET + "input_blocks.1.0.out_layers.3.weight",
    _UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
    _UNET + "input_blocks.1.1.proj_in.weight",
    _UNET + "out.2.weight",
    _VAE + "encoder.down.0.block.0.conv1.weight",
    _VAE + "post_quant_conv.weight",
    _VAE + "encoder.mid.attn_1.q.weight",
)
"""What the sizes of the networks are read off."""
SHAPES: dict[str, tuple[int, ...]] = {
    "no dimension": (), "no number": (0,), "no column": (32, 0), "no row": (0, 32),
    "one number": (1,), "eight dimensions": (1,) * 8, "a million rows": (2**20, 1),
    "a million columns": (1, 2**20), "no kernel": (32, 32, 0, 0), "a prime width": (31, 37, 1, 1),
}  # fmt: skip
TYPES = (torch.int64, torch.bool, torch.complex64, torch.uint8, torch.float8_e5m2, torch.float64)


def _shapes() -> Iterator[tuple[str, State]]:
    for key in _MEASURED:
        for what, shape in SHAPES.items():
            yield f"{what} in {key[-50:]}", {key: torch.zeros(shape)}
    for dtype in TYPES:
        key = _UNET + "out.2.weight"
        yield f"{str(dtype)[6:]} for weights", {key: _state()[key].to(dtype)}


# --- amounts ----------------------------------------------------------------------------------


def _blocks_times_blocks() -> State:
    """A thousand blocks, each of which would have a thousand more."""
    state, nothing = _without(_state(), _UNET), torch.ones(1)
    width = torch.ones(32, 1, 1, 1)
    for n in range(1000):
        state[f"{_UNET}input_blocks.{n}.0.x"] = nothing
        state[f"{_UNET}input_blocks.1.1.transformer_blocks.{n}.attn2.to_k.weight"] = torch.ones(
            32, 32
        )
        state[f"{_UNET}middle_block.1.transformer_blocks.{n}.x"] = nothing
    state[f"{_UNET}input_blocks.0.0.weight"] = torch.ones(32, 4, 3, 3)
    state[f"{_UNET}input_blocks.1.0.out_layers.3.weight"] = width
    state[f"{_UNET}input_blocks.1.1.proj_in.weight"] = width
    state[f"{_UNET}out.2.weight"] = torch.ones(4, 32, 3, 3)
    return state


def _many_levels() -> State:
    state, nothing = _without(_state(), _VAE), torch.ones(32, 1)
    state[f"{_VAE}post_quant_conv.weight"] = nothing
    for n in range(5000):
        state[f"{_VAE}encoder.down.{n}.block.0.conv1.weight"] = nothing
        state[f"{_VAE}decoder.up.{n}.x"] = nothing
    return state


def _many_layers() -> State:
    state = dict(_state())
    for n in range(3, 5000):
        state[f"{_TEXT}encoder.layers.{n}.x"] = torch.ones(1)
    return state


def _one_storage() -> bytes:
    """All weights of a network are views of one; a thousand more that nobody wants are, too."""
    pool = torch.zeros(1_000_000, dtype=torch.float16)
    shared = {key: pool[: each.numel()].view(each.shape) for key, each in _state().items()}
    shared |= {f"{_UNET}unwanted.{n}": pool for n in range(5000)}
    return _torch(shared)


def _unwanted() -> bytes:
    """Names that a text encoder ignores, of one storage: 10 GB in fp32."""
    pool = torch.zeros(1_000_000, dtype=torch.float16)
    extra = {f"{_TEXT}unwanted.{n}": pool for n in range(2500)}
    return _torch({**_state(), **extra})


def _torch(content: object) -> bytes:
    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


AMOUNTS: dict[str, Callable[[], State]] = {
    "blocks times blocks": _blocks_times_blocks,
    "five thousand levels": _many_levels,
    "five thousand layers": _many_layers,
}
CONTENTS: dict[str, Callable[[], bytes]] = {
    "one storage for all weights": _one_storage,
    "a state that is a number": lambda: _torch({"state_dict": 5}),
    "names that are numbers": lambda: _torch({"state_dict": {1: torch.ones(1)}}),
    "states within states": lambda: _torch({"state_dict": {"state_dict": {}}}),
    "only a list": lambda: _torch([torch.ones(1)]),
    "an embedding": lambda: torch_zip(table()),
    "no torch file": lambda: zipped({"a/data.pkl": pickle.dumps({}), "b": b""}),
    "tensors without storages": lambda: torch_zip(value({"a": b"N"})),
}


# --- cases ------------------------------------------------------------------------------------


def _saved(state: Callable[[], State]) -> Make:
    return lambda path: save_file({k: v.contiguous().clone() for k, v in state().items()}, path)


def _with(more: State) -> Make:
    return _saved(lambda: {**_state(), **more})


def cases() -> Iterator[Case]:
    """Single files, then folders."""
    for what, more in _names():
        yield no_model(f"checkpoint with {what}.safetensors", _with(more), "")
    for what, more in _shapes():
        yield answered(f"checkpoint with {what}.safetensors", "model", _with(more))
    for what, state in AMOUNTS.items():
        yield no_model(f"checkpoint with {what}.safetensors", _saved(state), "")
    for what, content in CONTENTS.items():
        yield answered(f"checkpoint of {what}.ckpt", "model", writer(content))
    yield answered("checkpoint with what nobody wants.ckpt", "model", writer(_unwanted))
    yield from _containers()
    for file, wrong in FOLDERS.items():
        for key, values in wrong.items():
            for number, each in enumerate(values):
                name = f"folder whose {file.split('/')[0]} says {key.removesuffix('</w>')} {number}"
                yield no_model(name, changed(file, **{key: each}), "")
    for what, make in _weights().items():
        yield answered(f"folder with {what}", "model", make)


def _containers() -> Iterator[Case]:
    """What is done to embeddings, done to checkpoints."""
    for way, code in attacks.WAYS.items():
        case = answered(f"checkpoint, os.system by {way}.ckpt", "model", writer(raw_zip(code)))
        yield replace(case, says="os.system")
    for what in ("lists of many", "arrays made complex", "a value noted far away"):
        content = torch_zip(bombs.REFUSED[what](), bytes(2_000_000))
        yield answered(f"checkpoint, endless {what}.ckpt", "model", writer(content))
    for what, content in containers.HEADERS.items():
        yield answered(f"checkpoint with {what}.safetensors"[:200], "model", writer(content))
    for what, content in containers.OTHERS.items():
        yield no_model(f"checkpoint of {what}.ckpt", writer(content), "")


_WIDE = 10**400
FOLDERS: dict[str, dict[str, list[Any]]] = {
    "unet/config.json": {
        "act_fn": ["os.system", None, 7],
        "addition_embed_type": ["text_image", "text_time", 1],
        "attention_head_dim": [0, -1, None, [4], 10**9, "4"],
        "block_out_channels": [[], [64], [64, 0], [2**40, 2**40], 64, [64, "x"], [[64], [112]]],
        "class_embed_type": ["simple_projection"],
        "cross_attention_dim": [0, 129, [128, 128], _WIDE, None],
        "down_block_types": [["AttnDownBlock2D"] * 2, ["CrossAttnDownBlock2D"], "DownBlock2D"],
        "encoder_hid_dim": [128],
        "in_channels": [0, 9, 8, -4, 2**62, "4", 4.5],
        "layers_per_block": [0, 10**9, 31, [1], [1, None], -1, True],
        "mid_block_type": ["x", 5],
        "norm_num_groups": [0, 7, 10**6, None],
        "num_attention_heads": [4],
        "sample_size": ["12", 10**9, [1, 2, 3]],
        "time_embedding_type": ["x", None],
        "transformer_layers_per_block": [0, 10**9, 60, [1], [[10**9]] * 2, "1", None],
        "reverse_transformer_layers_per_block": [[60, 60], 10**9],
        "up_block_types": [[], ["UpBlock2D"] * 3, None],
    },
    "vae/config.json": {
        "block_out_channels": [[], [16] * 9, [0] * 4, None, [16, 32, 64, 64.5]],
        "in_channels": [4, 0],
        "latent_channels": [0, 8, 16, 2**40],
        "layers_per_block": [0, 10**9, 32, [1] * 4],
        "norm_num_groups": [0, 5, -8],
        "scaling_factor": [0, -1, None, "0.2", float("inf"), float("nan"), _WIDE],
        "down_block_types": [["AttnDownEncoderBlock2D"] * 4, 4],
    },
    "text_encoder/config.json": {
        "hidden_act": ["os.system", "tanh", None],
        "hidden_size": [0, 127, 10**9, None],
        "intermediate_size": [0, 511, "512"],
        "max_position_embeddings": [0, 1, 2, 10**9, 2**60, 78],
        "num_attention_heads": [0, 3, 10**6],
        "num_hidden_layers": [0, 10**9, 200, 4, -1],
        "vocab_size": [0, 1, 1532, 10**9],
        "layer_norm_eps": [-1, "x", 10**9],
    },
    "scheduler/scheduler_config.json": {
        "num_train_timesteps": [0, 1, 10**12, 2**63, _WIDE, "1000", None, 2.5],
        "beta_start": [0, -1, 2, "x", float("nan"), None],
        "beta_end": [0, 1, 1e308, [1]],
        "beta_schedule": ["squaredcos_cap_v2", None, 5, []],
        "prediction_type": ["sample", None, 5],
        "trained_betas": [[], [0.1], ["x"] * 3, [2.0] * 3, [0.5] * 20_000, 5, [0.9] * 100],
    },
    "tokenizer/vocab.json": {
        "a</w>": [-1, 2**31, 2**70, "5", None, 1.5, 100_000],
    },
}  # fmt: skip
"""File → value → what it must not be."""


def _weights() -> dict[str, Make]:
    """Folders whose weights are not what the configuration says."""

    def instead(name: str, content: bytes) -> Make:
        def put(path: Path) -> None:
            copy_of_model(path)
            next((path / name).glob("*.safetensors")).unlink()
            (path / name / "model.bin").write_bytes(content)

        return put

    header = struct.pack("<Q", 2) + b"{}"
    return {
        "an attack for a UNet": instead("unet", torch_zip(table(attacks.WAYS["REDUCE"][2:-1]))),
        "an embedding for a VAE": instead("vae", torch_zip(table())),
        "nothing for a text encoder": instead("text_encoder", b""),
        "safetensors in a pickle's place": instead("unet", header),
    }
