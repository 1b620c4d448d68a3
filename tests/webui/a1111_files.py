"""Reduced random checkpoints in the files that AUTOMATIC1111 reads.

A yaml beside a checkpoint tells it the sizes of the networks, and a small hub cache those of CLIP,
and the vocabulary. OpenCLIP's sizes come from a table in its package: see `real_a1111`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from tests.checkpoints import Family, Layout, _vocabulary_files, tiny, write_single_file

OPEN_CLIP = "reduced-open-clip"
"""What the yaml files call an OpenCLIP of the reduced sizes."""
_HUB = "hub/models--openai--clip-vit-large-patch14"
_STABILITY = "repositories/stable-diffusion-stability-ai/configs/stable-diffusion"
_CONFIGS = {
    "sd1": "configs/v1-inference.yaml",
    "sd1-inpaint": "configs/v1-inpainting-inference.yaml",
    "sd2": f"{_STABILITY}/v2-inference.yaml",
    "sd2-v": f"{_STABILITY}/v2-inference-v.yaml",
    "sdxl": "repositories/generative-models/configs/inference/sd_xl_base.yaml",
}


def write_checkpoint(
    kind: str, path: Path, checkout: Path, seed: int = 0, reduced: Layout | None = None
) -> Path:
    """Write `path` and the yaml beside it, which is the program's own with smaller numbers: those
    of `tiny` unless a layout with as many levels is given."""
    channels = 9 if "inpaint" in kind else 4
    layout = replace(reduced or tiny(family_of(kind)), in_channels=channels)
    write_single_file(path, layout, dtype=torch.float32, seed=seed, extras=False)
    config = yaml.safe_load((checkout / _CONFIGS[kind]).read_text())
    reduce = _reduce_sdxl if kind == "sdxl" else _reduce
    reduce(config["model"]["params"], layout)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(config))
    return path


def family_of(kind: str) -> Family:
    """sd1-inpaint is an sd1."""
    family: Any = kind.split("-")[0]
    return family


def _reduce(params: dict[str, Any], layout: Layout) -> None:
    unet = params["unet_config"]["params"]
    _reduce_unet(unet, layout)
    unet["attention_resolutions"] = [2, 1]
    _reduce_vae(params["first_stage_config"]["params"]["ddconfig"], layout)
    if layout.family == "sd2":
        params["cond_stage_config"]["params"]["arch"] = OPEN_CLIP
        _one_head(unet)


def _reduce_sdxl(params: dict[str, Any], layout: Layout) -> None:
    unet = params["network_config"]["params"]
    _reduce_unet(unet, layout)
    unet["transformer_depth"] = [1, *layout.unet_depths[1:]]  # the first is of no use
    unet["adm_in_channels"] = layout.text_widths[-1] + 6 * layout.size_width
    _one_head(unet)
    _reduce_vae(params["first_stage_config"]["params"]["ddconfig"], layout)
    clip_l, clip_g, *sizes = params["conditioner_config"]["params"]["emb_models"]
    clip_l["params"]["layer_idx"] = layout.text_layers[0] - 1
    clip_g["params"]["arch"] = OPEN_CLIP
    for size in sizes:
        size["params"]["outdim"] = layout.size_width


def _reduce_unet(unet: dict[str, Any], layout: Layout) -> None:
    first = layout.unet_widths[0]
    unet["model_channels"] = first
    unet["channel_mult"] = [width // first for width in layout.unet_widths]
    unet["num_res_blocks"] = layout.unet_layers
    unet["context_dim"] = sum(layout.text_widths)


def _one_head(unet: dict[str, Any]) -> None:
    """Heads of 64 channels each do not fit into 32; one does."""
    del unet["num_head_channels"]
    unet["num_heads"] = 1


def _reduce_vae(config: dict[str, Any], layout: Layout) -> None:
    first = layout.vae_widths[0]
    config["ch"] = first
    config["ch_mult"] = [width // first for width in layout.vae_widths]
    config["num_res_blocks"] = layout.vae_layers


def open_clip_config(family: Family) -> dict[str, Any]:
    """Sizes of the OpenCLIP in a reduced checkpoint, as its package writes them down."""
    layout = tiny(family)
    width, layers = layout.text_widths[-1], layout.text_layers[-1]
    sight = {"image_size": 32, "patch_size": 16, "layers": 1, "width": 64, "head_width": 64}
    text = {"context_length": 77, "vocab_size": layout.vocabulary, "heads": 1}
    return {
        "embed_dim": width,
        "vision_cfg": sight,
        "text_cfg": text | {"width": width, "layers": layers},
    }


def write_hub(home: Path, layout: Layout | None = None) -> None:
    """What `from_pretrained` finds offline, with `home` as HF_HOME; of reduced sizes if no layout
    says otherwise."""
    place = home / _HUB / "snapshots" / "one"
    place.mkdir(parents=True)
    (home / _HUB / "refs").mkdir()
    (home / _HUB / "refs" / "main").write_text("one")
    for name, text in _vocabulary_files().items():
        (place / name).write_text(text, encoding="utf-8")
    mark = "<|endoftext|>"
    marks = {"bos_token": "<|startoftext|>", "eos_token": mark, "pad_token": mark}
    (place / "special_tokens_map.json").write_text(json.dumps(marks | {"unk_token": mark}))
    (place / "tokenizer_config.json").write_text(json.dumps(marks | {"model_max_length": 77}))
    (place / "config.json").write_text(json.dumps(_clip_config(layout or tiny("sd1"))))


def _clip_config(layout: Layout) -> dict[str, Any]:
    """The first encoder of SDXL has the same reduced sizes."""
    width = layout.text_widths[0]
    return {
        "vocab_size": layout.vocabulary,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layout.text_layers[0],
        "num_attention_heads": max(1, width // 64),
        "hidden_act": "quick_gelu",
        "projection_dim": width,
        "bos_token_id": layout.vocabulary - 2,
        "eos_token_id": layout.vocabulary - 1,
    }
