"""Settings of a run."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import ConfigError, ScheduleError
from ti_core.options import (
    about,
    choices_of,
    from_dict,
    leaves,
    make_config,
    owner,
    recorded,
    to_dict,
)
from ti_core.train.config import EmbeddingConfig, OptimizerConfig, TrainConfig

from ..conftest import Configure

GOLDEN = Path(__file__).parents[1] / "golden"
LEAVES = list(leaves(TrainConfig))


def test_every_setting_has_a_name_of_its_own() -> None:
    """Command lines and metadata are flat; aliases share that space."""
    names = [path[-1] for path, _ in LEAVES]
    names += [alias for _, item in LEAVES for alias in about(item).aliases]
    assert [name for name, times in Counter(names).items() if times > 1] == []


def test_every_setting_explains_itself() -> None:
    for path, item in LEAVES:
        known = about(item)
        assert known.help, path
        assert known.label, path
        choices = choices_of(owner(TrainConfig, path), item)
        assert not choices or item.default in choices, path


def test_no_path_is_recorded_in_the_embedding(configure: Configure) -> None:
    found = json.dumps(recorded(configure()))
    assert "/" not in found
    assert "log" not in found


def test_settings_survive_the_way_through_a_file(configure: Configure) -> None:
    config = configure(resolution=(64, 128), learning_rate="1e-3:5, 1e-4", num_vectors_per_token=3)
    assert from_dict(TrainConfig, json.loads(json.dumps(to_dict(config)))) == config


def test_settings_of_version_0_1_are_read_from_where_they_were(configure: Configure) -> None:
    changes = {"mixed_precision": "bf16", "seed": 7, "clip_skip": 2, "parse_emphasis": True}
    config = configure(**changes, learning_rate="1e-3")
    old = to_dict(config)
    del old["compute"]["pack_weights"]  # which came later
    del old["compute"]["gradient_checkpointing"]  # which came later
    del old["several"]  # which came later
    old["optimizer"] |= {**old.pop("compute"), **old.pop("text")}
    assert list(old) == [
        *("embedding", "data", "optimizer", "output", "preview", "cache", "validation")
    ]
    assert from_dict(TrainConfig, old) == config
    assert make_config(TrainConfig, {"seed": 8}, old) == replace(
        config, compute=replace(config.compute, seed=8)
    )


def test_a_learning_rate_may_be_a_number_in_a_settings_file() -> None:
    assert from_dict(OptimizerConfig, {"learning_rate": 0.001}).learning_rate == "0.001"


@pytest.mark.parametrize(
    ("setting", "a1111"),
    [
        ("num_vectors_per_token", "num_vectors_per_token"),
        ("train_batch_size", "batch_size"),
        ("gradient_accumulation_steps", "gradient_step"),
        ("learning_rate", "learn_rate"),
        ("clip_grad_mode", "clip_grad_mode"),
        ("clip_grad_value", "clip_grad_value"),
        ("latent_sampling_method", "latent_sampling_method"),
    ],
)
def test_values_of_a_real_a1111_settings_file_are_accepted(
    configure: Configure, setting: str, a1111: str
) -> None:
    settings = json.loads((GOLDEN / "settings-a1111.json").read_text())
    assert recorded(configure(**{setting: settings[a1111]}))[setting] == settings[a1111]


@pytest.mark.parametrize(
    "changes",
    [
        {"token_string": ""},
        {"token_string": "a/b"},
        {"output_name": "../x"},
        {"learning_rate": "fast"},
        {"learning_rate": "0"},
        {"num_vectors_per_token": -1},
        {"num_vectors_per_token": 76},
        {"train_batch_size": 0},
        {"gradient_accumulation_steps": 0},
        {"max_train_steps": 0},
        {"save_every_n_steps": -1},
        {"mixed_precision": "fp8"},
        {"clip_grad_mode": "norm", "clip_grad_value": "x"},
        {"clip_grad_mode": "norm", "max_grad_norm": 1.0},
        {"seed": -1},
        {"clip_skip": 0},
    ],
)
def test_a_bad_setting_is_an_error_when_it_is_made(
    configure: Configure, changes: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        configure(**changes)


def test_defaults_are_those_that_users_of_a1111_know() -> None:
    assert (OptimizerConfig().learning_rate, EmbeddingConfig().init_word) == ("0.005", "*")
    assert (EmbeddingConfig().num_vectors_per_token, OptimizerConfig().train_batch_size) == (1, 1)


def test_a_bad_schedule_is_a_config_error_of_its_own(configure: Configure) -> None:
    with pytest.raises(ScheduleError):
        configure(learning_rate="1, 2")


def test_the_file_is_called_like_the_word_unless_told_otherwise(configure: Configure) -> None:
    assert configure().file_stem == "zz-thing"
    assert configure(output_name="v2").file_stem == "v2"
    assert configure(output_name="v2").name == "zz-thing"
