"""Presets are settings that can be trained with."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from ti_core.data.templates import SHIPPED
from ti_core.errors import ConfigError
from ti_core.families import FAMILIES, SD1, Family
from ti_core.options import make_config
from ti_core.schedule import early_end, parse_schedule
from ti_core.train.config import TrainConfig
from ti_core.train.presets import (
    FIRST_PRESET,
    PRESETS,
    PresetName,
    preset_settings,
    template_for,
)

KINDS = (*FAMILIES.values(), None)


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_config_for_every_family(name: str, family: Family | None) -> None:
    settings = PRESETS[name].settings_for(family)
    config = make_config(TrainConfig, {**settings, "token_string": "word"})
    last = config.optimizer.max_train_steps
    assert early_end(parse_schedule(config.optimizer.learning_rate, last), last) is None
    most = 30 if name == "wong" else 10
    assert config.embedding.num_vectors_per_token <= most, "there must be room in the prompt"
    assert config.data.prompt_template in ("auto", *SHIPPED)


def test_going_from_one_preset_to_another_leaves_nothing_behind() -> None:
    keys = {frozenset(preset.settings_for(f)) for preset in PRESETS.values() for f in KINDS}
    assert len(keys) == 1


def test_what_the_user_has_typed_is_no_presets_business() -> None:
    typed = {"token_string", "init_word", "train_data_dir", "sample_prompts", "logging_dir"}
    assert not typed & set(PRESETS[FIRST_PRESET].settings)


def test_a1111s_defaults_are_those_of_its_train_tab() -> None:
    """modules/ui.py of v1.10.1."""
    settings = PRESETS["a1111"].settings_for(SD1)
    assert settings["learning_rate"] == "0.005"
    assert settings["max_train_steps"] == 100_000
    assert settings["prompt_template"] == "style_filewords"
    assert settings["latent_sampling_method"] == "once"
    assert settings["num_vectors_per_token"] == 1


def test_a_style_uses_captions_when_there_are_some() -> None:
    assert template_for("style", captions=True) == "style_filewords"
    assert template_for("style", captions=False) == "style"
    assert template_for("object", captions=True) == "auto"


def test_t_wongs_notes_are_the_recipe_of_2023() -> None:
    settings = preset_settings("wong", SD1)
    assert settings["learning_rate"] == "5e-2:100, 5e-3:500, 5e-4:1000, 5e-5:1500, 5e-6"
    assert settings["num_vectors_per_token"] == 30
    assert (settings["init_word"], settings["resolution"]) == ("", (256, 256))
    assert settings["max_train_steps"] == 2500


def test_a_preset_knows_the_model_and_the_pictures(pictures: Path, bare_pictures: Path) -> None:
    assert preset_settings("face", SD1)["num_vectors_per_token"] == 4
    assert preset_settings("face", FAMILIES["sdxl"])["num_vectors_per_token"] == 3
    assert preset_settings("style", None, str(pictures))["prompt_template"] == "style_filewords"
    assert preset_settings("style", None, str(bare_pictures))["prompt_template"] == "style"
    assert preset_settings("style", None, "/nowhere")["prompt_template"] == "style"


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="negative"):
        preset_settings("negativ", None)
    assert get_args(PresetName) == tuple(PRESETS)
