"""What the page and the API may read and write, tried by somebody who wants more."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from ti_core.data.config import DataConfig
from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.errors import ConfigError, ForbiddenError, TIError
from ti_core.options import about, choices_of, leaves, owner, value_type
from ti_core.train.config import PreviewConfig, TrainConfig, WordsConfig
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
from ti_webui.api import router
from ti_webui.forms import Form
from ti_webui.places import Places
from ti_webui.studio import Settings, Studio
from ti_webui.tabs import data_captions, data_checkup, train_pictures
from ti_webui.tabs.data_preprocess import start_preprocessing

from .conftest import finished

SECRET = "the secret line"
NO_PATHS = {
    "token_string",
    "init_word",
    "metadata_license",
    "learning_rate",
    "learning_rate_te1",
    "learning_rate_te2",
    "clip_grad_value",
    "output_name",
    "sample_sampler",
    "optimizer_args",
    "log_tracker_name",
    "wandb_run_name",
    "expected_data",
    "hypernetwork_name",
    "enable_sizes",
    "layer_structure",
    "dropout_structure",
    "caption_extension",
    "caption_separator",
    "keep_tokens_separator",
    "caption_prefix",
    "caption_suffix",
    "filename_word_regex",
    "filename_join_string",
}
"""Texts that name no file by themselves."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is none of the program's, with a picture and a secret."""
    folder = tmp_path / "outside"
    folder.mkdir()
    Image.new("RGB", (64, 64), "red").save(folder / "one.png")
    (folder / "one.txt").write_text(SECRET)
    (folder / "secret.txt").write_text(f"{SECRET} --s 1\n")
    return folder


@pytest.fixture
def restricted(studio: Studio, tmp_path: Path) -> Studio:
    """Others can reach the page: datasets lie below one folder."""
    root = tmp_path / "allowed"
    (root / "cats").mkdir(parents=True)
    Image.new("RGB", (64, 64), "blue").save(root / "cats" / "1.png")
    (root / "cats" / "1.txt").write_text("a cat, [name]")
    studio.dataset_roots = lambda: (root, tmp_path / "log")
    studio.widened_by = "ask Ann"
    return studio


@pytest.mark.parametrize("kind", [TrainConfig, HypernetworkTrainConfig, PreprocessConfig])
def test_every_setting_with_a_text_says_whether_it_names_a_path(kind: type) -> None:
    texts = {
        item.name
        for path, item in leaves(kind)
        if value_type(owner(kind, path), item)[0] is str
        and not choices_of(owner(kind, path), item)
        and not about(item).path
    }
    assert not texts - NO_PATHS, "give option() its path, or list them here"


# --- text files: their lines are shown, so they are the program's own -------------------------


@pytest.mark.parametrize("name", ["sample_prompts", "prompt_template"])
@pytest.mark.parametrize("spelled", ["{}", "{}/", "{}/.", ' "{}"', "{}/../secret.txt"])
def test_no_text_file_of_the_server_is_shown(
    name: str, spelled: str, api: TestClient, studio: Studio, settings: Any, outside: Path
) -> None:
    value = spelled.format(outside / "secret.txt")
    answer = api.post("/ti/v1/jobs", json={"settings": {**settings, name: value}})
    shown = answer.text
    for job in studio.jobs.list():
        finished(job)
        address = f"/ti/v1/jobs/{job.id}"
        shown += api.get(address).text + api.get(f"{address}/events").text
    assert SECRET not in shown
    assert answer.status_code == 403 or studio.jobs.list(), "a prompt that looks like a path"


@pytest.mark.parametrize("name", ["sample_prompts", "prompt_template"])
def test_text_files_of_its_own_are_read(name: str, studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    studio.templates_dir = lambda: folder
    (folder / "mine.txt").write_text("a [name]\n")
    (folder / "link.txt").symlink_to("/etc/hostname")
    places = studio.places()
    settings: Any = {name: str(folder / "mine.txt")}
    group: Any = DataConfig if name == "prompt_template" else PreviewConfig
    assert getattr(places.checked(group(**settings)), name) == settings[name]
    with pytest.raises(ForbiddenError, match="templates"):
        places.checked(group(**{name: str(folder / "link.txt")}))


def test_a_dataset_file_reads_no_text_that_the_page_may_not(
    studio: Studio, settings: Any, outside: Path, api: TestClient
) -> None:
    file = outside / "set.toml"
    subset = f"image_dir = '{outside}'\nprompt_template = '{outside / 'secret.txt'}'"
    file.write_text(f"[[datasets]]\n[[datasets.subsets]]\n{subset}\n")
    answer = api.post("/ti/v1/jobs", json={"settings": {**settings, "dataset_config": str(file)}})
    assert answer.status_code == 403
    assert studio.jobs.list() == []


def test_prompts_are_written_one_a_line(studio: Studio, settings: Any, api: TestClient) -> None:
    prompts = "a [name]\nsecond.txt"
    body = {"settings": {**settings, "sample_prompts": prompts, "sample_steps": 1}}
    assert api.post("/ti/v1/jobs", json=body).status_code == 202
    job = finished(studio.jobs.list()[0])
    assert {preview.prompt for preview in job.progress.previews} == {"a zz-thing", "second.txt"}


# --- folders ----------------------------------------------------------------------------------


def test_who_is_alone_with_the_machine_names_any_folder(studio: Studio, outside: Path) -> None:
    assert studio.places().folder(str(outside)) == outside


@pytest.mark.parametrize(
    "name", ["train_data_dir", "reg_data_dir", "dataset_config", "logging_dir", "latent_cache_dir"]
)
@pytest.mark.parametrize("spelled", ["{outside}", "{root}/../outside", "{root}/link", "//x/y", "/"])
def test_others_name_folders_below_the_roots_only(
    name: str, spelled: str, restricted: Studio, settings: Any, outside: Path, tmp_path: Path
) -> None:
    root = tmp_path / "allowed"
    (root / "link").symlink_to(outside)
    with TestClient(_app(restricted)) as api:
        value = spelled.format(outside=outside, root=root)
        given = {**settings, "train_data_dir": str(root / "cats"), name: value}
        answer = api.post("/ti/v1/jobs", json={"settings": given})
    assert answer.status_code == 403, answer.text
    assert "ask Ann" in answer.json()["fix"]
    assert restricted.jobs.list() == []


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("file://server/x", 422),
        ("/x\0y", 422),
        ("\\\\server\\share", 403),
        ("\udcff", 403),
        ("\ud800", 422),
        ("~root", 403),
        ("x" * 10_000, 422),
    ],
)
def test_odd_folders_are_answered(
    value: str, status: int, restricted: Studio, settings: Any
) -> None:
    with TestClient(_app(restricted)) as api:
        body = {"settings": {**settings, "train_data_dir": value}}
        content = json.dumps(body)
        headers = {"content-type": "application/json"}
        assert api.post("/ti/v1/jobs", content=content, headers=headers).status_code == status


def test_others_train_on_what_lies_below_the_roots(
    restricted: Studio, settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "allowed" / "cats"
    with TestClient(_app(restricted)) as api:
        body = {"settings": {**settings, "train_data_dir": str(folder)}}
        assert api.post("/ti/v1/jobs", json=body).status_code == 202
        assert finished(restricted.jobs.list()[0]).progress.state == "done"
        (folder / "2.txt").symlink_to("/etc/hostname")
        answer = api.post("/ti/v1/jobs", json=body)
    assert answer.status_code == 403
    assert "2.txt" in answer.json()["what"], "a link that leads out shows other people's files"


def test_a_dataset_file_leads_nobody_out(restricted: Studio, outside: Path, tmp_path: Path) -> None:
    file = tmp_path / "allowed" / "set.json"
    file.write_text(f'{{"datasets": [{{"subsets": [{{"image_dir": "{outside}"}}]}}]}}')
    with pytest.raises(ForbiddenError, match="outside"):
        restricted.places().checked(DataConfig(dataset_config=str(file)))


def test_folders_of_several_words_are_below_the_roots_as_well(
    restricted: Studio, settings: Any, outside: Path, tmp_path: Path
) -> None:
    inside = str(tmp_path / "allowed" / "cats")
    for folder, status in ((str(outside), 403), (f"{inside}/../../outside", 403)):
        tables = [{"name": "one", "train_data_dir": inside}]
        tables.append({"name": "two", "train_data_dir": folder})
        with TestClient(_app(restricted)) as api:
            given = {**settings, "train_data_dir": "", "words": json.dumps(tables)}
            answer = api.post("/ti/v1/jobs", json={"settings": given})
        assert answer.status_code == status, answer.text
    assert restricted.jobs.list() == []


def test_a_file_of_words_anywhere_is_not_read(restricted: Studio, outside: Path) -> None:
    (outside / "words.json").write_text("[]")
    config = TrainConfig(several=WordsConfig(str(outside / "words.json")))
    with pytest.raises(ForbiddenError, match="words"):
        restricted.places().checked(config)


@pytest.mark.parametrize("model", ["/srv/blip", "../blip", "~/blip", "C:\\blip", "{outside}"])
def test_a_model_for_captions_is_a_name_or_lies_below_the_roots(
    model: str, restricted: Studio, outside: Path
) -> None:
    captions = dataclasses.replace(PreprocessConfig().captions, blip_model=model.format(**locals()))
    with pytest.raises(ForbiddenError):
        restricted.places().checked(PreprocessConfig(captions=captions))
    named = dataclasses.replace(captions, blip_model="Salesforce/blip-image-captioning-base")
    assert restricted.places().checked(named) == named


def test_every_part_of_the_page_asks_first(restricted: Studio, outside: Path) -> None:
    folder = str(outside)
    with pytest.raises(ForbiddenError):
        data_captions.open_desk(restricted.places(), folder)
    with pytest.raises(ForbiddenError):
        data_checkup.checkup_html(restricted, folder, {"token_string": "zz-thing"})
    assert "may not be opened" in train_pictures.folder_summary(restricted, folder)
    assert not train_pictures.has_captions(restricted, folder)
    with gr.Blocks():
        page = data_captions.CaptionsPage(restricted, gr.Textbox())
    assert SECRET not in str(page.press_open(folder))


def test_nothing_is_preprocessed_from_or_to_elsewhere(
    restricted: Studio, outside: Path, tmp_path: Path
) -> None:
    with gr.Blocks():
        form = Form(PreprocessConfig, "x")
    cats, new = str(tmp_path / "allowed" / "cats"), str(tmp_path / "allowed" / "new")
    for source, there in ((str(outside), new), (cats, str(outside / "new")), (str(outside), "")):
        with pytest.raises(ForbiddenError):
            start_preprocessing(restricted, form, source, there, [])
    assert finished(start_preprocessing(restricted, form, cats, "", [])).progress.state == "done"
    assert (tmp_path / "allowed" / "cats-processed").is_dir()


@pytest.mark.parametrize("widened", ["/", "{outside}"])
def test_no_setting_of_a_page_makes_more_folders_its_own(
    widened: str, restricted: Studio, settings: Any, outside: Path
) -> None:
    """A1111's visitors can change the log directory on its Settings page."""
    changed = Settings(logging_dir=widened.format(outside=outside))
    restricted.settings = lambda: changed
    assert restricted.logging_dirs() == []
    with TestClient(_app(restricted)) as api:
        for name, value in (
            ("train_data_dir", outside),
            ("sample_prompts", outside / "secret.txt"),
            ("prompt_template", outside / "secret.txt"),
        ):
            body = {"settings": {**settings, name: str(value)}}
            assert api.post("/ti/v1/jobs", json=body).status_code == 403, name
    restricted.dataset_roots = lambda: None
    with pytest.raises(ForbiddenError):
        restricted.places().checked(DataConfig(prompt_template=str(outside / "secret.txt")))


def test_a_run_of_elsewhere_is_not_resumed(restricted: Studio, outside: Path) -> None:
    with TestClient(_app(restricted)) as api:
        body = {"resume": "x", "settings": {"logging_dir": str(outside)}}
        assert api.post("/ti/v1/jobs", json=body).status_code == 403


def test_no_error_of_a_path_is_unforeseen(tmp_path: Path) -> None:
    places = Places((tmp_path,), (tmp_path,))
    for text in ("\0", "\ud800", "a" * 5000, "", "//", "\\\\?\\C:\\", "C:", "/proc/self/root"):
        with pytest.raises(TIError):
            places.folder(text)
    with pytest.raises(ConfigError):
        places.folder("  ")


def _app(studio: Studio) -> FastAPI:
    app = FastAPI()
    app.include_router(router(studio))
    return app
