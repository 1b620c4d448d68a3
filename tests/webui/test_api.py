"""`/ti/v1`: what programs may ask, and how they are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient

from ti_core.errors import HostError
from ti_core.files.reading import read_embedding
from ti_core.train.config import OptimizerConfig
from ti_webui import training
from ti_webui.api import router
from ti_webui.studio import Studio

from .conftest import finished


@pytest.fixture
def api(studio: Studio) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(router(studio))
    with TestClient(app) as client:
        yield client


def begun(api: TestClient, studio: Studio, settings: dict[str, Any]) -> dict[str, Any]:
    """A training that has run to its end, as the API tells of it."""
    answer = api.post("/ti/v1/jobs", json={"settings": settings})
    assert answer.status_code == 202, answer.text
    finished(studio.jobs.list()[0])
    told: dict[str, Any] = api.get(f"/ti/v1/jobs/{answer.json()['id']}").json()
    return told


def test_a_training_is_begun_watched_and_found_on_the_disk(
    api: TestClient, studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    told = begun(api, studio, settings)
    assert (told["state"], told["step"], told["total"]) == ("done", 6, 6)
    assert told["kind"] == "train"
    assert told["loss"] > 0
    assert read_embedding(Path(told["result"])).step == 6
    assert [job["id"] for job in api.get("/ti/v1/jobs").json()] == [told["id"]]


def test_events_are_read_from_where_one_stopped_reading(
    api: TestClient, studio: Studio, settings: dict[str, Any]
) -> None:
    job = begun(api, studio, settings)["id"]
    first = api.get(f"/ti/v1/jobs/{job}/events").json()
    assert sum(event["event"] == "StepDone" for event in first["events"]) == 6
    assert first["next"] == len(first["events"])
    later = api.get(f"/ti/v1/jobs/{job}/events", params={"after": first["next"] - 1}).json()
    assert later["events"] == first["events"][-1:]
    assert later["next"] == first["next"]


def test_previews_are_pictures(api: TestClient, studio: Studio, settings: dict[str, Any]) -> None:
    job = begun(api, studio, settings)["id"]
    answer = api.get(f"/ti/v1/jobs/{job}/previews/0")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert api.get(f"/ti/v1/jobs/{job}/previews/99").status_code == 404
    assert api.get(f"/ti/v1/jobs/{job}/previews/-1").status_code == 404


def test_a_run_is_stopped_and_resumed(
    api: TestClient, studio: Studio, settings: dict[str, Any]
) -> None:
    long = {**settings, "max_train_steps": 100_000, "sample_every_n_steps": 0}
    job = api.post("/ti/v1/jobs", json={"settings": long}).json()["id"]
    second = api.post("/ti/v1/jobs", json={"settings": long})
    assert second.status_code == 409
    assert "at work already" in second.json()["what"]
    assert api.post(f"/ti/v1/jobs/{job}/pause").status_code == 200
    assert api.post(f"/ti/v1/jobs/{job}/go_on").status_code == 200
    assert api.post(f"/ti/v1/jobs/{job}/stop").status_code == 200
    stopped = finished(studio.jobs.list()[0]).progress
    assert stopped.state == "stopped"
    assert api.post(f"/ti/v1/jobs/{job}/stop").status_code == 409, "it is over"
    begun_again = api.post("/ti/v1/jobs", json={"resume": "zz-thing"})
    if stopped.run_folder is None:  # it was stopped before its first step
        assert begun_again.status_code == 422
        return
    assert begun_again.status_code == 202
    api.post(f"/ti/v1/jobs/{begun_again.json()['id']}/stop")
    assert finished(studio.jobs.list()[0]).progress.first_step == stopped.step


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"settings": {"learning_rat": 1}}, "learning_rate"),
        ({"settings": {"token_string": "word", "max_train_steps": "many"}}, "whole number"),
        ({"settings": {"token_string": "word", "max_train_steps": 0}}, "smallest"),
        ({"settings": {"token_string": "../../etc/x"}}, "name"),
        ({"settings": {"token_string": ""}}, "name"),
        ({"settings": []}, "no object"),
        ({"config": {}}, "unknown setting"),
        ({"settings": {"output_dir": "/etc"}}, "unknown setting"),
        ({"settings": {"weights": "/etc/passwd"}}, "unknown setting"),
        ({"resume": "nobody"}, "no run of nobody"),
        ({"resume": "nobody", "settings": {"max_train_steps": "9"}}, "whole number"),
    ],
)
def test_what_is_not_possible_is_said_with_422(
    api: TestClient, studio: Studio, body: dict[str, Any], said: str
) -> None:
    answer = api.post("/ti/v1/jobs", json=body)
    assert answer.status_code == 422
    told = answer.json()
    assert said in " ".join(str(part) for part in told.values())
    assert studio.jobs.list() == []


@pytest.mark.parametrize("content", ["{", "[]", '"text"', ""])
def test_a_body_that_is_no_object_is_refused(api: TestClient, content: str) -> None:
    headers = {"content-type": "application/json"}
    answer = api.post("/ti/v1/jobs", content=content, headers=headers)
    assert answer.status_code == 422


def test_unknown_jobs_and_wishes_are_not_found(api: TestClient, studio: Studio) -> None:
    for path in ("", "/events", "/previews/0"):
        assert api.get(f"/ti/v1/jobs/nothing{path}").status_code == 404
    job = finished(studio.jobs.start("train", "word", lambda job: None))
    answer = api.post(f"/ti/v1/jobs/{job.id}/stopp")
    assert answer.status_code == 404
    assert "stop" in answer.json()["fix"]


def test_an_embedding_is_made_from_words(api: TestClient, tmp_path: Path) -> None:
    body = {"token_string": "zz-made", "init_word": "tree", "num_vectors_per_token": 2}
    answer = api.post("/ti/v1/embeddings", json=body)
    assert answer.status_code == 201
    assert len(read_embedding(Path(answer.json()["path"])).vectors["emb_params"]) == 2
    assert api.post("/ti/v1/embeddings", json=body).status_code == 422, "it is there"
    assert api.post("/ti/v1/embeddings", json={**body, "overwrite": True}).status_code == 201


def test_the_schema_tells_every_setting_and_the_model(api: TestClient) -> None:
    told = api.get("/ti/v1/schema").json()
    names = {setting["name"]: setting for setting in told["train"]}
    vectors = names["num_vectors_per_token"]
    assert (vectors["low"], vectors["high"], "limits" in vectors) == (1, 75, False)
    assert names["learning_rate"]["label"] == "Embedding Learning rate"
    assert names["learning_rate"]["type"] == names["mixed_precision"]["type"] == "str"
    assert names["mixed_precision"]["choices"] == ["no", "fp16", "bf16"]
    assert names["learning_rate"]["choices"] == []
    assert names["resolution"]["optional"] is True
    assert not set(names) & set(training.SETTLED)
    assert told["model"]["family"] == "sd1"
    defaults = {name: told["default"] for name, told in names.items() if name != "token_string"}
    assert defaults["max_train_steps"] == OptimizerConfig().max_train_steps


def test_without_a_model_the_schema_is_told_all_the_same(api: TestClient, studio: Studio) -> None:
    def missing() -> Any:
        raise HostError("no model is loaded")

    studio.host = missing
    assert api.get("/ti/v1/schema").json()["model"] is None


def test_a_hosts_own_authorisation_guards_every_route(studio: Studio) -> None:
    def refuse() -> None:
        raise HTTPException(401)

    app = FastAPI()
    app.include_router(router(studio, [Depends(refuse)]))
    paths = [route.path for route in router(studio).routes]  # type: ignore[attr-defined]
    assert len(paths) == 8
    with TestClient(app) as client:
        for path in paths:
            for method in ("GET", "POST"):
                status = client.request(method, path, json={}).status_code
                assert status in (401, 405), (method, path)
        assert client.get("/ti/v1/schema").status_code == 401
        assert client.post("/ti/v1/jobs", json={}).status_code == 401
