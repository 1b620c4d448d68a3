"""What a sweep is to vary, as people write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ti_core.errors import ConfigError
from ti_core.train.config import TrainConfig
from ti_core.train.sweep_choices import (
    MOST_VARIANTS,
    Choices,
    choices_in,
    combinations,
    typed_choices,
)


def chosen(*texts: str) -> list[dict[str, object]]:
    return combinations(typed_choices(texts), TrainConfig)


def test_several_settings_give_every_combination_in_order() -> None:
    found = chosen("learning_rate=0.005,1e-3", "num-vectors=1,4")
    assert found == [
        {"learning_rate": "0.005", "num_vectors_per_token": 1},
        {"learning_rate": "0.005", "num_vectors_per_token": 4},
        {"learning_rate": "1e-3", "num_vectors_per_token": 1},
        {"learning_rate": "1e-3", "num_vectors_per_token": 4},
    ]


def test_values_that_have_commas_are_told_apart_by_bars() -> None:
    assert chosen("learning_rate=0.005:100, 1e-3|0.002") == [
        {"learning_rate": "0.005:100, 1e-3"},
        {"learning_rate": "0.002"},
    ]
    assert chosen("resolution=64,96x64") == [{"resolution": (64, 64)}, {"resolution": (96, 64)}]


def test_switches_choices_and_numbers_get_their_types() -> None:
    found = chosen("early_stopping=true,no", "optimizer_type=adamw", "ema_decay=0.9")
    assert [one["early_stopping"] for one in found] == [True, False]
    assert found[0]["optimizer_type"] == "AdamW"
    assert found[0]["ema_decay"] == 0.9


def test_the_same_value_twice_is_one_run() -> None:
    assert len(chosen("max_train_steps=5,5,5.0")) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rate", "is not a setting with its values"),
        ("=1,2", "is not a setting with its values"),
        ("learning_rat=1", "did you mean learning_rate"),
        ("pretrained_model_name_or_path=a,b", "cannot vary"),
        ("max_train_steps=1,many", "cannot be read"),
        ("max_train_steps=0,-5", "smallest possible value"),
        ("optimizer_type=AdamW,Adam2", "choose one of"),
    ],
)
def test_what_cannot_be_varied_is_an_error(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        chosen(text)


def test_nothing_to_vary_and_too_many_runs_are_errors() -> None:
    with pytest.raises(ConfigError, match="varies nothing"):
        chosen()
    seeds = ",".join(map(str, range(MOST_VARIANTS // 2 + 1)))
    with pytest.raises(ConfigError, match="258 variants"):
        chosen(f"seed={seeds}", "num_vectors=1,2")
    huge = [f"{name}={seeds}" for name in ("seed", "sample_seed", "save_last_n_steps")]
    with pytest.raises(ConfigError, match="2,146,689 variants"):
        chosen(*huge)  # counted, never made


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_file_lists_settings_or_a_grid_or_both(tmp_path: Path) -> None:
    listed = [{"output_name": "quick", "max_train_steps": 5}, {"init_text": "cat"}]
    assert combinations(choices_in(write(tmp_path / "a.json", listed)), TrainConfig) == [
        {"output_name": "quick", "max_train_steps": 5},
        {"init_word": "cat"},
    ]
    text = '[grid]\nseed = [1, 2]\n[[variants]]\ninit-word = "a"\n[[variants]]\ninit_word = "b"\n'
    both = choices_in(write(tmp_path / "b.toml", text))
    assert combinations(both + typed_choices(["seed=7"]), TrainConfig) == [
        {"init_word": "a", "seed": 7},
        {"init_word": "b", "seed": 7},
    ]
    assert len(combinations(both, TrainConfig)) == 4


@pytest.mark.parametrize(
    "content",
    ["{", 5, {}, {"grids": {}}, {"grid": [1]}, {"grid": {"seed": 1}}, {"variants": [1]}, [3]],
)
def test_a_file_that_describes_no_sweep_is_an_error(tmp_path: Path, content: object) -> None:
    with pytest.raises(ConfigError, match=r"s\.json"):
        choices_in(write(tmp_path / "s.json", content))


def test_values_of_a_file_are_checked_as_typed_ones() -> None:
    refused: list[list[object]] = [[None], [{}], [[1]], []]
    for values in refused:
        with pytest.raises(ConfigError, match="seed"):
            combinations(Choices({"seed": values}), TrainConfig)
