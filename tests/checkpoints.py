"""Checkpoints with random weights, written to disk in the layouts that users have.

    path = write_single_file(tmp_path / "model.safetensors", tiny("sd1"))
    path = write_single_file(tmp_path / "model.ckpt", tiny("sdxl"), lightning=True)
    path = write_single_file(tmp_path / "v.safetensors", tiny("sd2"), v_yaml=True)
    path = write_single_file(tmp_path / "full.safetensors", full("sd1"))   # 2 GB, some seconds
    folder = write_folder(tmp_path / "model", "sdxl")                      # diffusers folder, tiny

`tiny(family)` and `full(family)` are `Layout`s; change one with `dataclasses.replace`. Families
are "sd1", "sd2" and "sdxl". `original_state(layout)` gives the tensors without writing them.

The names and shapes follow the constructors of the original code (CompVis, Stability), block by
block, and share nothing with `ti_core.hosts.standalone.checkpoint`, which they test. No weight is
zero: a zero-initialised output would stop every gradient, and so would CLIP's final LayerNorm with
zero bias under A1111's emphasis. Folders need diffusers; everything else needs only torch.
"""

from __future__ import annotations

import json
import math
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from unittest import mock

import torch
from safetensors.torch import save_file
from torch import Tensor

Family = Literal["sd1", "sd2", "sdxl"]


@dataclass(frozen=True)
class Layout:
    """Sizes of the networks of a checkpoint in the original layout."""

    family: Family
    unet_widths: tuple[int, ...]
    """Channels per level, outermost first; multiples of 32."""
    unet_depths: tuple[int, ...]
    """Transformer blocks per attention on each level; 0 = no attention."""
    middle_depth: int
    unet_layers: int
    vae_widths: tuple[int, ...]
    """Four levels make the usual factor 8."""
    vae_layers: int
    text_widths: tuple[int, ...]
    """One text encoder, or two for SDXL (clip_l, clip_g)."""
    text_layers: tuple[int, ...]
    size_width: int = 256
    """SDXL: width of each of the six embedded sizes."""
    vocabulary: int = 49408
    in_channels: int = 4

    @property
    def linear_projection(self) -> bool:
        """Whether attention is entered through linear layers or 1×1 convolutions."""
        return self.family != "sd1"


def full(family: Family) -> Layout:
    """The real layouts of SD1.5, SD2.1 and SDXL base."""
    vae = ((128, 256, 512, 512), 2)
    if family == "sdxl":
        unet = (320, 640, 1280), (0, 2, 10), 10, 2
        return Layout("sdxl", *unet, *vae, (768, 1280), (12, 32))
    text = ((768,), (12,)) if family == "sd1" else ((1024,), (24,))
    return Layout(family, (320, 640, 1280, 1280), (1, 1, 1, 0), 1, 2, *vae, *text)


def tiny(family: Family) -> Layout:
    """Reduced layouts of a few MB that open and run in a blink; every kind of block is in them."""
    vae = ((32, 32, 64, 64), 1)
    if family == "sdxl":
        unet = (32, 64, 64), (0, 1, 2), 2, 1
        return Layout("sdxl", *unet, *vae, (32, 64), (3, 3), size_width=32)
    text = ((32,), (3,)) if family == "sd1" else ((64,), (3,))
    return Layout(family, (32, 64, 64), (1, 1, 0), 1, 1, *vae, *text)


# --- writing ----------------------------------------------------------------------------------


def write_single_file(
    path: Path,
    layout: Layout,
    *,
    dtype: torch.dtype = torch.float16,
    seed: int = 0,
    extras: bool = True,
    lightning: bool = False,
    legacy: bool = False,
    v_pred: bool = False,
    v_yaml: bool = False,
    ztsnr: bool = False,
) -> Path:
    """Write a checkpoint; the format follows the suffix (.safetensors or .ckpt).

    Args:
        extras: add what real files carry besides (EMA weights, buffers, a logit scale).
        lightning: a .ckpt as a trainer leaves it, {"state_dict": …, "epoch": …, "callbacks": …}.
        legacy: a .ckpt in torch's format before 1.6 instead of a zip.
        v_pred: add the empty marker tensor `v_pred` (SDXL's custom for v-prediction).
        v_yaml: put a yaml with `parameterization: "v"` beside it (SD2's custom).
        ztsnr: add the empty marker tensor `ztsnr` (zero terminal SNR, SDXL's custom).
    """
    state = original_state(layout, dtype=dtype, seed=seed)
    if extras:
        state |= _extras(layout, state)
    if v_pred:
        state["v_pred"] = torch.empty(0)
    if ztsnr:
        state["ztsnr"] = torch.empty(0)
    if v_yaml:
        text = 'model:\n  params:\n    parameterization: "v"\n'
        path.with_suffix(".yaml").write_text(text, encoding="utf-8")
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    elif lightning:
        _save_lightning(path, state, legacy)
    else:
        torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=not legacy)
    return path


def write_folder(
    folder: Path,
    family: Family,
    *,
    prediction: str = "epsilon",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    layout: Layout | None = None,
) -> Path:
    """Write a diffusers folder, tiny unless told otherwise, with the vocabulary of the installed
    package."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    layout = layout or tiny(family)
    unet = UNet2DConditionModel(**_unet_config(layout))
    vae = AutoencoderKL(**_vae_config(layout))
    for network, name in ((unet, "unet"), (vae, "vae")):
        _randomise(network, seed)
        network.to(dtype).save_pretrained(folder / name)
    for i, (width, layers) in enumerate(zip(layout.text_widths, layout.text_layers, strict=True)):
        _write_text_encoder(folder, layout, i, width, layers, seed, dtype)
    DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
    ).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    return folder


def _save_lightning(path: Path, state: dict[str, Tensor], legacy: bool) -> None:
    """What a trainer leaves: the weights among settings and objects of its own classes."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    callback = type("ModelCheckpoint", (), {"__module__": name})
    module.ModelCheckpoint = callback  # type: ignore[attr-defined]
    best = callback()
    best.best_model_score = torch.tensor(0.1)
    content = {"epoch": 3, "state_dict": state, "callbacks": {callback: best}}
    packages = {part: types.ModuleType(part) for part in (name.split(".")[0], name[:27])}
    with mock.patch.dict(sys.modules, {**packages, name: module}):  # pickle looks there
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def _extras(layout: Layout, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys in real files that are not weights of the networks in use."""
    extras = {
        "alphas_cumprod": torch.linspace(0.999, 0.005, 1000),
        "betas": torch.linspace(0.00085, 0.012, 1000),
        "model_ema.decay": torch.tensor(0.9999),
        "model_ema.diffusion_modelinput_blocks00weight": torch.ones(3),
        "first_stage_model.loss.logvar": torch.zeros(1),
    }
    positions = torch.arange(77).unsqueeze(0)
    for prefix in _text_prefixes(layout):
        if prefix.endswith("transformer."):
            extras[f"{prefix}text_model.embeddings.position_ids"] = positions
        else:
            extras[f"{prefix}logit_scale"] = torch.tensor(4.6)
    return extras


# --- the original layout ----------------------------------------------------------------------

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def original_state(
    layout: Layout, *, dtype: torch.dtype = torch.float16, seed: int = 0
) -> dict[str, Tensor]:
    """Every tensor of a checkpoint under the original names, random and never zero."""
    fill = _filler(dtype, seed)
    return {name: fill(name, shape) for name, shape in _shapes(layout)}


def _filler(dtype: torch.dtype, seed: int) -> Callable[[str, tuple[int, ...]], Tensor]:
    """Random weights cut from one pool of normal numbers: 2 GB take seconds, not a minute."""
    generator = torch.Generator().manual_seed(seed)
    pool = torch.randn(2**22 + 1, generator=generator).to(dtype)
    position = 0

    def take(count: int) -> Tensor:
        nonlocal position
        pieces, left = [], count
        while left:
            piece = pool[position : position + left]
            pieces.append(piece)
            left -= len(piece)
            position = (position + len(piece)) % len(pool)
        return torch.cat(pieces)

    def fill(name: str, shape: tuple[int, ...]) -> Tensor:
        noise = take(math.prod(shape)).reshape(shape)
        if "embedding" in name:
            return noise.mul_(0.3)
        if len(shape) == 1 and name.endswith("weight"):  # of a normalisation
            return noise.mul_(0.1).add_(1)
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 100
        return noise.mul_(fan_in**-0.5)  # in place: fresh memory is what costs time here

    return fill


def _shapes(layout: Layout) -> Shapes:
    for name, shape in _unet_shapes(layout):
        yield f"model.diffusion_model.{name}", shape
    for name, shape in _vae_shapes(layout):
        yield f"first_stage_model.{name}", shape
    encoders = zip(_text_prefixes(layout), layout.text_widths, layout.text_layers, strict=True)
    for prefix, width, layers in encoders:
        shapes = _clip_shapes if prefix.endswith("transformer.") else _open_clip_shapes
        for name, shape in shapes(width, layers, layout.vocabulary):
            yield prefix + name, shape


def _text_prefixes(layout: Layout) -> tuple[str, ...]:
    return {
        "sd1": ("cond_stage_model.transformer.",),
        "sd2": ("cond_stage_model.model.",),
        "sdxl": ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
    }[layout.family]


def _layer(name: str, *shape: int, bias: bool = True) -> Shapes:
    """A convolution, linear layer or normalisation."""
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def _unet_shapes(layout: Layout) -> Shapes:
    first, time = layout.unet_widths[0], 4 * layout.unet_widths[0]
    yield from _layer("time_embed.0", time, first)
    yield from _layer("time_embed.2", time, time)
    if layout.family == "sdxl":
        yield from _layer("label_emb.0.0", time, layout.text_widths[-1] + 6 * layout.size_width)
        yield from _layer("label_emb.0.2", time, time)
    yield from _layer("input_blocks.0.0", first, layout.in_channels, 3, 3)
    skips, channels = [first], first
    index = 1
    for level, width in enumerate(layout.unet_widths):
        for _ in range(layout.unet_layers):
            yield from _res_block(f"input_blocks.{index}.0", channels, width, time)
            yield from _transformer(
                layout, f"input_blocks.{index}.1", width, layout.unet_depths[level]
            )
            channels = width
            skips.append(channels)
            index += 1
        if level < len(layout.unet_widths) - 1:
            yield from _layer(f"input_blocks.{index}.0.op", channels, channels, 3, 3)
            skips.append(channels)
            index += 1
    yield from _res_block("middle_block.0", channels, channels, time)
    yield from _transformer(layout, "middle_block.1", channels, layout.middle_depth)
    yield from _res_block("middle_block.2", channels, channels, time)
    index = 0
    for level in reversed(range(len(layout.unet_widths))):
        width, depth = layout.unet_widths[level], layout.unet_depths[level]
        for i in range(layout.unet_layers + 1):
            block = f"output_blocks.{index}"
            yield from _res_block(f"{block}.0", channels + skips.pop(), width, time)
            yield from _transformer(layout, f"{block}.1", width, depth)
            channels = width
            if level and i == layout.unet_layers:
                slot = 2 if depth else 1
                yield from _layer(f"{block}.{slot}.conv", channels, channels, 3, 3)
            index += 1
    yield from _layer("out.0", first)
    yield from _layer("out.2", 4, first, 3, 3)


def _res_block(name: str, into: int, out: int, time: int) -> Shapes:
    yield from _layer(f"{name}.in_layers.0", into)
    yield from _layer(f"{name}.in_layers.2", out, into, 3, 3)
    yield from _layer(f"{name}.emb_layers.1", out, time)
    yield from _layer(f"{name}.out_layers.0", out)
    yield from _layer(f"{name}.out_layers.3", out, out, 3, 3)
    if into != out:
        yield from _layer(f"{name}.skip_connection", out, into, 1, 1)


def _transformer(layout: Layout, name: str, width: int, depth: int) -> Shapes:
    if not depth:
        return
    kernel = () if layout.linear_projection else (1, 1)
    yield from _layer(f"{name}.norm", width)
    yield from _layer(f"{name}.proj_in", width, width, *kernel)
    for i in range(depth):
        block = f"{name}.transformer_blocks.{i}"
        for attention, context in (("attn1", width), ("attn2", sum(layout.text_widths))):
            yield from _layer(f"{block}.{attention}.to_q", width, width, bias=False)
            yield from _layer(f"{block}.{attention}.to_k", width, context, bias=False)
            yield from _layer(f"{block}.{attention}.to_v", width, context, bias=False)
            yield from _layer(f"{block}.{attention}.to_out.0", width, width)
        yield from _layer(f"{block}.ff.net.0.proj", 8 * width, width)
        yield from _layer(f"{block}.ff.net.2", width, 4 * width)
        for j in (1, 2, 3):
            yield from _layer(f"{block}.norm{j}", width)
    yield from _layer(f"{name}.proj_out", width, width, *kernel)


def _vae_shapes(layout: Layout) -> Shapes:
    widths, layers = layout.vae_widths, layout.vae_layers
    first, last = widths[0], widths[-1]
    yield from _layer("encoder.conv_in", first, 3, 3, 3)
    channels = first
    for level, width in enumerate(widths):
        for i in range(layers):
            yield from _vae_block(f"encoder.down.{level}.block.{i}", channels, width)
            channels = width
        if level < len(widths) - 1:
            yield from _layer(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    yield from _vae_ends("encoder", last, last, 8)
    yield from _layer("decoder.conv_in", last, 4, 3, 3)
    for level in reversed(range(len(widths))):
        for i in range(layers + 1):
            yield from _vae_block(f"decoder.up.{level}.block.{i}", channels, widths[level])
            channels = widths[level]
        if level:
            yield from _layer(f"decoder.up.{level}.upsample.conv", channels, channels, 3, 3)
    yield from _vae_ends("decoder", last, first, 3)
    yield from _layer("quant_conv", 8, 8, 1, 1)
    yield from _layer("post_quant_conv", 4, 4, 1, 1)


def _vae_ends(name: str, middle: int, width: int, out: int) -> Shapes:
    """The middle, and the output layers after the last level."""
    yield from _vae_block(f"{name}.mid.block_1", middle, middle)
    yield from _layer(f"{name}.mid.attn_1.norm", middle)
    for part in ("q", "k", "v", "proj_out"):
        yield from _layer(f"{name}.mid.attn_1.{part}", middle, middle, 1, 1)
    yield from _vae_block(f"{name}.mid.block_2", middle, middle)
    yield from _layer(f"{name}.norm_out", width)
    yield from _layer(f"{name}.conv_out", out, width, 3, 3)


def _vae_block(name: str, into: int, out: int) -> Shapes:
    yield from _layer(f"{name}.norm1", into)
    yield from _layer(f"{name}.conv1", out, into, 3, 3)
    yield from _layer(f"{name}.norm2", out)
    yield from _layer(f"{name}.conv2", out, out, 3, 3)
    if into != out:
        yield from _layer(f"{name}.nin_shortcut", out, into, 1, 1)


def _clip_shapes(width: int, layers: int, vocabulary: int) -> Shapes:
    yield "text_model.embeddings.token_embedding.weight", (vocabulary, width)
    yield "text_model.embeddings.position_embedding.weight", (77, width)
    for i in range(layers):
        name = f"text_model.encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _layer(f"{name}.self_attn.{part}", width, width)
        yield from _layer(f"{name}.mlp.fc1", 4 * width, width)
        yield from _layer(f"{name}.mlp.fc2", width, 4 * width)
        yield from _layer(f"{name}.layer_norm1", width)
        yield from _layer(f"{name}.layer_norm2", width)
    yield from _layer("text_model.final_layer_norm", width)


def _open_clip_shapes(width: int, layers: int, vocabulary: int) -> Shapes:
    yield "token_embedding.weight", (vocabulary, width)
    yield "positional_embedding", (77, width)
    for i in range(layers):
        name = f"transformer.resblocks.{i}"
        yield f"{name}.attn.in_proj_weight", (3 * width, width)
        yield f"{name}.attn.in_proj_bias", (3 * width,)
        yield from _layer(f"{name}.attn.out_proj", width, width)
        yield from _layer(f"{name}.mlp.c_fc", 4 * width, width)
        yield from _layer(f"{name}.mlp.c_proj", width, 4 * width)
        yield from _layer(f"{name}.ln_1", width)
        yield from _layer(f"{name}.ln_2", width)
    yield from _layer("ln_final", width)
    yield "text_projection", (width, width)


# --- the same sizes for diffusers -------------------------------------------------------------


def _unet_config(layout: Layout) -> dict[str, object]:
    down = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in layout.unet_depths]
    up = ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in layout.unet_depths[::-1]]
    config: dict[str, object] = {
        "sample_size": 8,
        "block_out_channels": layout.unet_widths,
        "down_block_types": down,
        "up_block_types": up,
        "layers_per_block": layout.unet_layers,
        "transformer_layers_per_block": [d or layout.middle_depth for d in layout.unet_depths],
        "cross_attention_dim": sum(layout.text_widths),
        "attention_head_dim": 8 if layout.family == "sd1" else 1,
        "use_linear_projection": layout.linear_projection,
    }
    if layout.family == "sdxl":
        config["addition_embed_type"] = "text_time"
        config["addition_time_embed_dim"] = layout.size_width
        added = layout.text_widths[-1] + 6 * layout.size_width
        config["projection_class_embeddings_input_dim"] = added
    return config


def _vae_config(layout: Layout) -> dict[str, object]:
    levels = len(layout.vae_widths)
    return {
        "block_out_channels": layout.vae_widths,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": layout.vae_layers,
        "scaling_factor": 0.13025 if layout.family == "sdxl" else 0.18215,
    }


def _write_text_encoder(
    folder: Path,
    layout: Layout,
    index: int,
    width: int,
    layers: int,
    seed: int,
    dtype: torch.dtype,
) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    open_clip = layout.family == "sd2" or index == 1
    suffix = "_2" if index else ""
    config = CLIPTextConfig(
        vocab_size=layout.vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        # Folders of SD2 come without the last layer, which is never used.
        num_hidden_layers=layers - 1 if layout.family == "sd2" else layers,
        num_attention_heads=max(1, width // 64),
        hidden_act="gelu" if open_clip else "quick_gelu",
        projection_dim=width,
    )
    model = (CLIPTextModelWithProjection if index else CLIPTextModel)(config)
    _randomise(model, seed)
    torch.nn.Module.to(model, dtype)  # transformers' own hides its signature
    model.save_pretrained(folder / f"text_encoder{suffix}")
    place = folder / f"tokenizer{suffix}"
    place.mkdir()
    for name, text in _vocabulary_files().items():
        (place / name).write_text(text, encoding="utf-8")
    pad = "!" if open_clip else "<|endoftext|>"
    (place / "special_tokens_map.json").write_text(json.dumps({"pad_token": pad}))


@cache
def _vocabulary_files() -> dict[str, str]:
    """vocab.json and merges.txt as the hub's folders have them."""
    from ti_core.hosts.standalone.vocabulary import _packaged_file, _tables

    vocabulary, merges = _tables(_packaged_file())
    lines = "\n".join(["#version: 0.2", *merges, ""])
    return {"vocab.json": json.dumps(vocabulary), "merges.txt": lines}


def _randomise(network: torch.nn.Module, seed: int) -> None:
    """Fill every parameter as in the single files."""
    fill = _filler(torch.float32, seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(fill(name, tuple(parameter.shape)))
