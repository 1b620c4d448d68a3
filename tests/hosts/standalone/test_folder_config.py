"""What a diffusers folder may say of itself: what the libraries write, and nothing that they could
not build."""

from __future__ import annotations

import inspect
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig

from ti_core.errors import CheckpointError, UnsafeFileError
from ti_core.hosts.standalone import folder_config, models
from ti_core.hosts.standalone.folder_config import read_config, read_levels

UNETS: dict[str, dict[str, Any]] = {
    "SD 1.5": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "SD 2.1": {"attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True},
    "SDXL": {
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "block_out_channels": [320, 640, 1280],
        "attention_head_dim": [5, 10, 20],
        "transformer_layers_per_block": [1, 2, 10],
        "cross_attention_dim": 2048,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        "upcast_attention": None,
    },
    "a distilled one with other blocks up than down": {
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "block_out_channels": [320, 640, 1280],
        "attention_head_dim": [5, 10, 20],
        "transformer_layers_per_block": [0, [1, 1], [4, 4]],
        "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        "time_cond_proj_dim": 256,
    },
}


def written(path: Path, values: Any) -> Path:
    path.write_text(json.dumps(dict(values), default=str))
    return path


def test_every_setting_of_the_libraries_is_declared() -> None:
    for kind, rules in (
        (UNet2DConditionModel, folder_config.UNET),
        (AutoencoderKL, folder_config.VAE),
    ):
        assert set(inspect.signature(kind).parameters) == set(rules)


@pytest.mark.parametrize("name", UNETS)
def test_unets_that_people_have_are_described(name: str, tmp_path: Path) -> None:
    defaults = {
        key: value.default
        for key, value in inspect.signature(UNet2DConditionModel).parameters.items()
    }
    path = written(tmp_path / "config.json", {**defaults, **UNETS[name]})
    config = read_levels(path, folder_config.UNET)
    with torch.device("meta"):
        unet = models.unet_from_config(config)()
    models.unet_from_config(config).require_paid(unet.state_dict(), "UNet")


def test_what_the_libraries_write_by_default_is_described(tmp_path: Path) -> None:
    vae = inspect.signature(AutoencoderKL).parameters
    read_levels(
        written(tmp_path / "config.json", {key: value.default for key, value in vae.items()}),
        folder_config.VAE,
    )
    read_config(written(tmp_path / "t", CLIPTextConfig().to_dict()), folder_config.TEXT_ENCODER)
    told = DDIMScheduler(beta_schedule="scaled_linear").config
    read_config(written(tmp_path / "s", told), folder_config.SCHEDULER)


@pytest.mark.parametrize("layers", [10**9, [10**9] * 4])
def test_layers_by_the_billion_are_refused_at_once(tmp_path: Path, layers: object) -> None:
    defaults = {"block_out_channels": [32] * 4, "layers_per_block": layers}
    start = time.process_time()
    with pytest.raises(CheckpointError, match="layers_per_block"):
        read_levels(written(tmp_path / "config.json", defaults), folder_config.UNET)
    assert time.process_time() - start < 1


def test_nothing_is_built_that_the_weights_cannot_fill() -> None:
    def never() -> torch.nn.Module:
        raise AssertionError("it was built")

    with pytest.raises(CheckpointError, match="3 blocks are described"):
        models.build(models.Blueprint(never, 3), {"a": torch.ones(1)}, "UNet")


def test_weights_that_share_their_memory_are_refused() -> None:
    pool = torch.ones(64)
    layers = models.Blueprint(lambda: torch.nn.Sequential(*map(torch.nn.Linear, *[[8] * 9] * 2)), 0)
    state = {f"{n}.weight": pool.view(8, 8) for n in range(9)}
    state |= {f"{n}.bias": pool[:8] for n in range(9)}
    with pytest.raises(UnsafeFileError, match="same numbers"):
        models.build(layers, state, "UNet")
    own = {key: each.clone() for key, each in state.items()}
    assert len(models.build(layers, own, "UNet").state_dict()) == 18
