"""Forms know every setting, and give back what was typed."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from ti_core.demo.job import DemoConfig, training_of
from ti_core.demo.scene import HELD_OUT
from ti_core.errors import ConfigError
from ti_core.hosts.fake import FakeHost
from ti_core.options import leaves
from ti_core.train.config import EmbeddingConfig, TrainConfig
from ti_webui.alone.first_run import FirstRun
from ti_webui.forms import Form
from ti_webui.job import Jobs
from ti_webui.markup import error_box, labels_of, with_labels
from ti_webui.panel import shared_fields
from ti_webui.studio import Settings, Studio
from ti_webui.tabs.train import TrainPage, build
from ti_webui.training import SETTLED

A1111_LABELS = (
    "Embedding",
    "Embedding Learning rate",
    "Gradient Clipping",
    "Batch size",
    "Gradient accumulation steps",
    "Dataset directory",
    "Log directory",
    "Prompt template",
    "Width",
    "Height",
    "Max steps",
    "Save an image to log directory every N steps, 0 to disable",
    "Save a copy of embedding to log directory every N steps, 0 to disable",
    "Do not resize images",
    "Use PNG alpha channel as loss weight",
    "Shuffle tags by ',' when creating prompts",
    "Drop out tags when creating prompts",
    "Latent sampling method",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> TrainPage:
    """The Train tab, with the fake host."""
    folder = tmp_path_factory.mktemp("page")
    host, settings = FakeHost(folder), Settings(logging_dir=str(folder / "log"))
    studio = Studio(lambda: host, lambda: [folder], lambda: settings, Jobs())
    with gr.Blocks():
        return build(replace(studio, shared=shared_fields()))


def values_of(form: Form[TrainConfig]) -> list[Any]:
    return [component.value for component in form.inputs]


def test_every_setting_is_on_the_page_or_known_without_asking(page: TrainPage) -> None:
    shown = set(page.form.components) - {"width", "height"} | {"resolution"}
    assert shown | set(SETTLED) == {path[-1] for path, _ in leaves(TrainConfig)}
    assert not shown & set(SETTLED)


def test_the_fields_of_a1111_bear_its_labels(page: TrainPage) -> None:
    labels = {component.label for component in page.form.inputs}
    assert [label for label in A1111_LABELS if label not in labels] == []


def test_texts_name_fields_by_the_labels_that_the_page_shows(page: TrainPage) -> None:
    for name, component in page.form.components.items():
        if name not in ("width", "height"):  # "Width, Height" in texts
            assert with_labels(f"give `{name}`") == f"give “{component.label}”"
    assert "“Name”" in error_box("give `token_string`", labels_of(EmbeddingConfig))


def test_what_a_fresh_page_holds_is_a_config_with_a_goals_settings(page: TrainPage) -> None:
    settings = page.form.settings(values_of(page.form)) | {"token_string": "word"}
    config = page.form.config(settings)
    assert config.optimizer.max_train_steps == 800
    assert config.embedding.num_vectors_per_token == 3
    assert config.data.resolution is None
    assert config.output.logging_dir == page.studio.settings().logging_dir


def test_typed_values_arrive_and_web_numbers_become_whole(page: TrainPage) -> None:
    typed = {"width": 512.0, "height": 768, "max_train_steps": 20.0, "train_batch_size": 3.0}
    names = list(page.form.components)
    values = values_of(page.form)
    for name, value in (typed | {"token_string": "word"}).items():
        values[names.index(name)] = value
    config = page.form.config(page.form.settings(values))
    assert config.data.resolution == (512, 768)
    assert (config.optimizer.max_train_steps, config.optimizer.train_batch_size) == (20, 3)
    assert isinstance(config.optimizer.max_train_steps, int)


def test_an_emptied_number_is_an_error_that_names_the_field(page: TrainPage) -> None:
    settings = page.form.settings(values_of(page.form)) | {"token_string": "word"}
    with pytest.raises(ConfigError, match="max_train_steps"):
        page.form.config({**settings, "max_train_steps": None})


def test_updates_change_what_they_name_and_nothing_else() -> None:
    with gr.Blocks():
        form = Form(TrainConfig, "ti_test")
        for name in ("learning_rate", "resolution", "max_train_steps"):
            form.add(name)
    updates = form.updates({"learning_rate": "0.001", "resolution": None})
    assert [update.get("value", "left") for update in updates] == ["0.001", 0, 0, "left"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("token_string", "Textbox"),
        ("num_vectors_per_token", "Slider"),
        ("init_rule", "Radio"),
        ("metadata_is_negative_embedding", "Checkbox"),
    ],
)
def test_a_setting_gets_the_component_that_fits_it(name: str, kind: str) -> None:
    with gr.Blocks():
        component = Form(EmbeddingConfig, "ti_test").add(name)
    assert type(component).__name__ == kind
    assert component.elem_id == f"ti_test_{name}"
    assert component.info


def test_what_another_program_was_not_told_is_not_as_a_preset_has_it(page: TrainPage) -> None:
    sent = "line.sh\n" + base64.b64encode(b"--max_train_steps 77 --learning_rate 0.001").decode()
    _, *updates = page.form_settings.press_import(sent)
    shown = dict(zip(page.form.components, updates, strict=True))
    wanted = {"max_train_steps": 77, "learning_rate": "0.001", "optimizer_type": "AdamW"}
    wanted |= {"lr_scheduler": "constant", "gradient_accumulation_steps": 1, "init_trial_steps": 0}
    assert {name: shown[name]["value"] for name in wanted} == wanted


def test_a_first_training_learns_as_the_demo_does(page: TrainPage, tmp_path: Path) -> None:
    """Whatever the preset has filled in before."""
    filled = FirstRun(page.studio, None).settings()  # type: ignore[arg-type]
    config = page.form.config({**page.form_settings.defaults(), **filled})
    demo = training_of(DemoConfig(out=str(tmp_path)), HELD_OUT[DemoConfig().concept], tmp_path)
    assert config.optimizer == demo.optimizer
    assert config.validation == demo.validation
    assert config.embedding.init_trial_steps == demo.embedding.init_trial_steps
