"""What the button of Create does, without a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from ti_core.files.reading import read_embedding
from ti_core.train.config import EmbeddingConfig
from ti_webui.forms import Form
from ti_webui.studio import Studio
from ti_webui.tabs.create import create

SettingsForm = Form[EmbeddingConfig]


@pytest.fixture(scope="module")
def form() -> SettingsForm:
    with gr.Blocks():
        made = Form(EmbeddingConfig, "ti_create")
        for name in ("token_string", "init_word", "num_vectors_per_token"):
            made.add(name)
    return made


def test_an_embedding_is_made_and_chosen_for_training(
    studio: Studio, form: SettingsForm, tmp_path: Path
) -> None:
    told, dropdown = create(studio, form, False, ["zz-made", "red tree", 4])
    assert "is made" in told
    assert (dropdown["choices"], dropdown["value"]) == ([("zz-made", "zz-made")], "zz-made")
    path = tmp_path / "embeddings" / "zz-made.safetensors"
    assert read_embedding(path).count == 4
    notes = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert notes["description"].startswith("4 vector(s), 0 steps, on ")


def test_one_that_is_there_is_replaced_only_on_request(
    studio: Studio, form: SettingsForm, tmp_path: Path
) -> None:
    create(studio, form, False, ["zz-made", "tree", 1])
    told, dropdown = create(studio, form, False, ["zz-made", "tree", 2])
    assert "exists already" in told
    assert "“Overwrite Old Embedding”" in told
    assert "choices" not in dropdown
    create(studio, form, True, ["zz-made", "tree", 2])
    assert read_embedding(tmp_path / "embeddings" / "zz-made.safetensors").count == 2


def test_a_name_that_is_a_word_of_the_model_is_warned_about(
    studio: Studio, form: SettingsForm
) -> None:
    told, _ = create(studio, form, False, ["tree", "*", 1])
    assert "already a word of the model" in told


@pytest.mark.parametrize(
    "values", [["", "*", 1], ["../up", "*", 1], ["zz", "*", -1], ["zz", "*", None]]
)
def test_what_cannot_be_made_is_said(
    studio: Studio, form: SettingsForm, values: list[Any], tmp_path: Path
) -> None:
    told, _ = create(studio, form, False, values)
    assert "ti-error" in told
    assert list(tmp_path.rglob("*.safetensors")) == []
