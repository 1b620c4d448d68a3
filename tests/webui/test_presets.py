"""Goals are settings that can be trained with."""

from __future__ import annotations

import pytest

from ti_core.data.templates import SHIPPED
from ti_core.families import FAMILIES, SD1, Family
from ti_core.options import make_config
from ti_core.schedule import parse_schedule, require_reach
from ti_core.train.config import TrainConfig
from ti_webui.presets import FIRST_GOAL, GOALS, template_for

KINDS = (*FAMILIES.values(), None)


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("goal", GOALS)
def test_every_goal_is_a_config_for_every_family(goal: str, family: Family | None) -> None:
    settings = GOALS[goal].settings_for(family)
    config = make_config(TrainConfig, {**settings, "token_string": "word"})
    last = config.optimizer.max_train_steps
    require_reach(parse_schedule(config.optimizer.learning_rate, last), 0, last)
    assert config.embedding.num_vectors_per_token <= 10, "there must be room in the prompt"
    assert config.data.prompt_template in ("auto", *SHIPPED)


def test_going_from_one_goal_to_another_leaves_nothing_behind() -> None:
    keys = {frozenset(goal.settings_for(f)) for goal in GOALS.values() for f in KINDS}
    assert len(keys) == 1


def test_what_the_user_has_typed_is_no_goals_business() -> None:
    typed = {"token_string", "init_word", "train_data_dir", "sample_prompts", "logging_dir"}
    assert not typed & set(GOALS[FIRST_GOAL].settings)


def test_a1111s_defaults_are_those_of_its_train_tab() -> None:
    """modules/ui.py of v1.10.1."""
    settings = GOALS["a1111"].settings_for(SD1)
    assert settings["learning_rate"] == "0.005"
    assert settings["max_train_steps"] == 100_000
    assert settings["prompt_template"] == "style_filewords"
    assert settings["latent_sampling_method"] == "once"
    assert settings["num_vectors_per_token"] == 1


def test_a_style_uses_captions_when_there_are_some() -> None:
    assert template_for("style", captions=True) == "style_filewords"
    assert template_for("style", captions=False) == "style"
    assert template_for("object", captions=True) == "auto"
