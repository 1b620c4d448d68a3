"""Settings of other programs, on the page and over the API."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ti_core.errors import FileError
from ti_core.options import make_config
from ti_core.train.config import TrainConfig
from ti_webui import markup
from ti_webui.importing import imported, sent_file
from ti_webui.studio import Studio

from ..foreign.test_imported import A1111_RUN, FILES, KOHYA_FLAT
from .conftest import finished, held

TAKEN = ("init_word", "num_vectors_per_token", "learning_rate", "train_batch_size", "resolution")


def sent(name: str, content: bytes) -> str:
    """As `tiStudio.chosenFile` sends a file."""
    return f"{name}\n{base64.b64encode(content).decode()}"


@pytest.mark.parametrize("kind", FILES)
def test_every_known_file_fills_a_form_that_can_be_trained(kind: str) -> None:
    name, text, settings, _ = FILES[kind]
    found = imported(name, text)
    make_config(TrainConfig, {"token_string": "zz", **found.settings})
    kept = {name for name in settings if name in TAKEN}
    assert {name: found.settings[name] for name in kept} == {n: settings[n] for n in kept}
    for own in ("logging_dir", "output_dir", "weights", "use_object_template"):
        assert own not in found.settings


def test_what_is_settled_here_is_told_with_what_decides_it() -> None:
    found = imported("kohya.toml", KOHYA_FLAT + "use_style_template = true\noutput_dir = 'x'\n")
    told = {notice.what: notice.why for notice in found.remarks}
    assert told["pretrained_model_name_or_path is left out"].startswith("the model that is loaded")
    assert told["output_dir is left out"] == "where the program looks for embeddings"
    assert found.settings["prompt_template"] == "style"
    shown = markup.import_report(imported("a.toml", KOHYA_FLAT + "network_module = '<b>'\n"))
    assert "settings of kohya's scripts" in shown.replace("&#x27;", "'")
    assert "network_module is left out" in shown
    assert "<b>'" not in shown


def test_a_sent_file_is_read_whatever_its_encoding() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        name, text = sent_file(sent("C:\\own\\é.json", '{\r\n"é": 1}'.encode(encoding)))
        assert (name, text) == ("C:\\own\\é.json", '{\n"é": 1}')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (sent("x.json", b"0" * 1_000_001), "x.json is larger than 1,000,000 bytes"),
        (sent("../../x.json", b"\xff\x00"), "cannot read x.json"),
        ("x.json\n?", "cannot read x.json"),
    ],
)
def test_what_is_no_text_is_said(text: str, said: str) -> None:
    with pytest.raises(FileError, match=said):
        sent_file(text)


@pytest.mark.parametrize("name", ["settings.json", "/etc/passwd", "..\\..\\x.toml", "", "\0.json"])
def test_no_file_is_opened_whatever_its_name_says(name: str) -> None:
    for text in ("", "{}", "[]", "{", "a = 1", "\0"):
        with pytest.raises(FileError) as caught:
            imported(name, text)
        assert "/etc/" not in str(caught.value)


def test_settings_are_imported_over_the_api_and_can_be_trained_with(
    api: TestClient, studio: Studio, settings: dict[str, Any]
) -> None:
    body = {"name": "settings-2023.json", "text": json.dumps(A1111_RUN)}
    answer = api.post("/ti/v1/import-settings", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["program"] == "settings of a training in A1111"
    assert found["settings"]["resolution"] == [512, 640]
    assert any("model_hash" in each["what"] for each in found["remarks"])
    own = {name: settings[name] for name in ("train_data_dir", "logging_dir")}
    few = {"max_train_steps": 2, "sample_every_n_steps": 0, "resolution": [64, 64]}
    order = {"settings": {**found["settings"], **own, **few}}
    answer = api.post("/ti/v1/jobs", json=order)
    assert answer.status_code == 202, answer.text
    job = finished(studio.jobs.list()[0])
    assert (job.name, job.progress.step) == ("my-cat", 2), job.progress.error


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "a name and a text are needed"),
        ({"name": "x.json", "text": 5}, "a name and a text are needed"),
        ({"name": "x.json", "text": "{}", "path": "/etc/passwd"}, "unknown setting"),
        ({"name": "x.json", "text": "{"}, "cannot read x.json"),
        ({"name": "x.json", "text": '{"a": 1}'}, "contains no settings of a program"),
        ({"name": "x.json", "text": '{"train": {}}'}, "settings file of this program"),
    ],
)
def test_what_cannot_be_imported_is_said(api: TestClient, body: dict[str, Any], said: str) -> None:
    answer = api.post("/ti/v1/import-settings", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["what"]


def test_the_learning_rate_of_a_job_is_changed(api: TestClient, studio: Studio) -> None:
    over = threading.Event()
    job = studio.jobs.start("train", "word", lambda job: held(over))
    address = f"/ti/v1/jobs/{job.id}"
    assert api.post(f"{address}/rate", json={"factor": 0.5}).status_code == 200
    assert api.post(f"{address}/slower").status_code == 200
    wrongs: list[dict[str, Any]] = [
        {}, {"factor": "fast"}, {"factor": 1e9}, {"factor": True}, {"factr": 2}
    ]  # fmt: skip
    for wrong in wrongs:
        assert api.post(f"{address}/rate", json=wrong).status_code == 422
    assert api.post("/ti/v1/jobs/none/rate", json={"factor": 0.5}).status_code == 404
    assert job.control.rate_change() == pytest.approx(0.4)
    over.set()
    finished(job)
    assert api.post(f"{address}/rate", json={"factor": 0.5}).status_code == 409
