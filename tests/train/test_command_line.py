"""A run as the line that `ti train` takes."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ti_core.cli.train import parser
from ti_core.options import make_config
from ti_core.train.command_line import command_line
from ti_core.train.config import TrainConfig

CASES: list[dict[str, Any]] = [
    {"token_string": "zz-cat"},
    {"token_string": "zz cat", "init_word": 'a "small" cat $HOME', "num_vectors_per_token": 3},
    {"token_string": "x", "resolution": (448, 640), "learning_rate": "0.005:100, 1e-3"},
    {"token_string": "x", "sample_prompts": "-a dog\n[name] --n fog", "sample_at_first": False},
    {"token_string": "x", "overwrite": True, "sample_cfg_scale": 3.5, "seed": 2**60},
    {"token_string": "x", "init_word": "", "train_data_dir": "/pictures/Käse 猫"},
]


@pytest.mark.parametrize("settings", CASES, ids=range(len(CASES)))
def test_the_line_gives_the_same_settings_again(settings: dict[str, Any]) -> None:
    config = make_config(TrainConfig, settings)
    first, verb, *words = shlex.split(command_line(config, "sd-v1-5.safetensors"))
    assert (first, verb) == ("ti", "train")
    typed = parser().read(words)
    assert typed["pretrained_model_name_or_path"] == "sd-v1-5.safetensors"
    assert make_config(TrainConfig, typed) == config


def test_what_is_at_its_default_is_not_written() -> None:
    config = make_config(TrainConfig, {"token_string": "zz-cat"})
    assert command_line(config) == "ti train --token_string zz-cat"
