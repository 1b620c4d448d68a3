"""What is typed into a field is never the folder in which the web UI runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.errors import ConfigError, TIError
from ti_core.files.roots import read_path
from ti_webui import training
from ti_webui.api import router
from ti_webui.forms import Form
from ti_webui.studio import Studio
from ti_webui.tabs import data_captions, data_checkup, data_preprocess, train_pictures

HERE = ("", "  ", ".", " ./ ", "./.", '"."', "x/..")
Press = Callable[[Studio, str], object]


def _preprocess(studio: Studio, source: str, destination: str = "there") -> object:
    with gr.Blocks():
        form = Form(PreprocessConfig, "x")
        form.add("width")
        form.add("height")
    return data_preprocess.start_preprocessing(studio, form, source, destination, (64, 64))


PRESSES: dict[str, Press] = {
    "captions": lambda studio, text: data_captions.open_desk(studio.places(), text),
    "checkup": lambda studio, text: data_checkup.checkup_html(studio, text, {"token_string": "zz"}),
    "preprocess": _preprocess,
}


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "screenshot.png")
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("press", PRESSES)
@pytest.mark.parametrize("text", HERE)
def test_buttons_refuse_it(press: str, text: str, studio: Studio) -> None:
    with pytest.raises(TIError):
        PRESSES[press](studio, text)
    assert studio.jobs.latest is None
    assert [path.name for path in Path().iterdir()] == ["screenshot.png"]


@pytest.mark.parametrize("text", HERE[2:])
def test_nothing_is_written_there(text: str, pictures: Path, studio: Studio) -> None:
    with pytest.raises(ConfigError, match="in which the program runs"):
        _preprocess(studio, str(pictures), text)


@pytest.mark.parametrize("name", ["train_data_dir", "logging_dir", "reg_data_dir"])
@pytest.mark.parametrize("text", HERE)
def test_the_api_refuses_it(name: str, text: str, studio: Studio, settings: dict[str, Any]) -> None:
    if name == "reg_data_dir" and not text.strip():
        return  # there are none
    app = FastAPI()
    app.include_router(router(studio))
    if text == '"."':
        text = "."  # programs do not copy paths from Windows
    with TestClient(app) as client:
        answer = client.post("/ti/v1/jobs", json={"settings": {**settings, name: text}})
    assert answer.status_code == 422
    assert name in answer.json()["what"]
    assert studio.jobs.latest is None


@pytest.mark.parametrize("text", HERE)
def test_the_page_says_nothing_of_it(text: str, studio: Studio) -> None:
    assert "image(s)" not in train_pictures.folder_summary(studio, text)
    assert not train_pictures.has_captions(studio, text)


@pytest.mark.parametrize("text", HERE)
def test_no_run_is_looked_for_there(text: str, studio: Studio) -> None:
    with pytest.raises(ConfigError):
        training.find_resumable(studio, "zz-thing", text)


def test_paths_are_read_as_they_are_copied(tmp_path: Path) -> None:
    assert read_path(f' "{tmp_path}" ') == tmp_path
    assert read_path(str(Path.cwd())) == Path.cwd()  # said in full, it is meant


def test_a_tilde_is_the_users_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert read_path("~/cats") == tmp_path / "cats"
