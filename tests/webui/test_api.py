"""`/ti/v1`: what programs may ask, and how they are refused."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient

from ti_core.errors import (
    DataError,
    ForbiddenError,
    HostBusyError,
    HostError,
    NoModelError,
    SlowRequestError,
    StorageError,
    TrainingError,
)
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.replaced import replace_embedding
from ti_core.files.writing import write_embedding
from ti_core.train.config import OptimizerConfig
from ti_core.train.events import StepDone
from ti_webui import api as api_module
from ti_webui import (
    api_hypernetworks,
    api_sweeps,
    creation,
    hypernetworks,
    library_files,
    restoring,
    training,
)
from ti_webui.api import router
from ti_webui.job import Job, Jobs
from ti_webui.studio import Studio
from ti_webui.waiting import Queue

from .conftest import finished


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
    assert "already running" in second.json()["what"]
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


def test_a_resumed_run_takes_the_settings_that_are_given(
    api: TestClient, studio: Studio, settings: dict[str, Any]
) -> None:
    api.post("/ti/v1/jobs", json={"settings": {**settings, "max_train_steps": 3}})
    assert finished(studio.jobs.list()[0]).progress.step == 3
    changes = {"max_train_steps": 5, "learning_rate": "0.25", "sample_every_n_steps": 0}
    answer = api.post("/ti/v1/jobs", json={"resume": "zz-thing", "settings": changes})
    assert answer.status_code == 202, answer.text
    progress = finished(studio.jobs.list()[0]).progress
    assert (progress.first_step, progress.step, progress.rate) == (3, 5, 0.25)
    told = " ".join(notice.what for notice in progress.notices)
    assert "settings of the run have changed: " in told
    assert "`learning_rate` 0.005 → 0.25" in told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"init_word": "dog"}, '"init_word" cannot change when a run is resumed'),
        ({"max_train_steps": "9"}, "whole number"),
        ({"learning_rate": "fast"}, '"learning_rate"'),
        ({"no_such": 1}, "unknown setting"),
    ],
)
def test_what_cannot_change_when_a_run_is_resumed_is_said_at_once(
    api: TestClient,
    studio: Studio,
    settings: dict[str, Any],
    changes: dict[str, Any],
    said: str,
) -> None:
    api.post("/ti/v1/jobs", json={"settings": {**settings, "max_train_steps": 3}})
    finished(studio.jobs.list()[0])
    answer = api.post("/ti/v1/jobs", json={"resume": "zz-thing", "settings": changes})
    assert answer.status_code == 422
    assert said in json.dumps(answer.json(), ensure_ascii=False).replace('\\"', '"')
    assert len(studio.jobs.list()) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"settings": {"learning_rat": 1}}, "learning_rate"),
        ({"settings": {"token_string": "word", "max_train_steps": "many"}}, "whole number"),
        ({"settings": {"token_string": "word", "max_train_steps": 0}}, "smallest"),
        ({"settings": {"token_string": "../../etc/x"}}, "name"),
        ({"settings": {"token_string": ""}}, "name"),
        ({"settings": []}, "not an object"),
        ({"config": {}}, "unknown setting"),
        ({"settings": {"output_dir": "/etc"}}, "unknown setting"),
        ({"settings": {"weights": "/etc/passwd"}}, "unknown setting"),
        ({"resume": "nobody"}, "no run of nobody"),
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


def test_a_replaced_embedding_is_brought_back(api: TestClient, tmp_path: Path) -> None:
    body = {"token_string": "zz-made", "init_word": "tree", "num_vectors_per_token": 2}
    path = Path(api.post("/ti/v1/embeddings", json=body).json()["path"])
    old = path.read_bytes()
    assert api.get("/ti/v1/replaced").json() == []
    again = {**body, "init_word": "cat", "overwrite": True}
    assert api.post("/ti/v1/embeddings", json=again).status_code == 201
    (kept,) = api.get("/ti/v1/replaced").json()
    assert kept["original"] == str(path)
    assert kept["number"] == 1
    assert path.read_bytes() != old
    answer = api.post("/ti/v1/replaced", json={"file": kept["file"]})
    assert (answer.status_code, answer.json()) == (200, {"path": str(path)})
    assert path.read_bytes() == old
    for file in (kept["file"], str(path), "/etc/passwd", ""):
        assert api.post("/ti/v1/replaced", json={"file": file}).status_code == 404


def test_the_schema_tells_every_setting_and_the_model(api: TestClient) -> None:
    told = api.get("/ti/v1/schema").json()
    names = {setting["name"]: setting for setting in told["train"]}
    vectors = names["num_vectors_per_token"]
    assert (vectors["low"], vectors["high"], "limits" in vectors) == (0, 75, False)
    assert names["learning_rate"]["label"] == "Embedding Learning rate"
    assert names["learning_rate"]["type"] == names["mixed_precision"]["type"] == "str"
    assert names["mixed_precision"]["choices"] == ["auto", "no", "fp16", "bf16"]
    assert names["learning_rate"]["choices"] == []
    assert names["resolution"]["optional"] is True
    assert not set(names) & set(training.SETTLED)
    assert told["model"]["family"] == "sd1"
    defaults = {name: told["default"] for name, told in names.items() if name != "token_string"}
    assert defaults["max_train_steps"] == OptimizerConfig().max_train_steps


def test_a_preset_gives_what_is_not_asked_for(
    api: TestClient, studio: Studio, settings: dict[str, Any]
) -> None:
    known = {one["name"]: one["settings"] for one in api.get("/ti/v1/schema").json()["presets"]}
    assert known["face"]["num_vectors_per_token"] == 4
    body = {"preset": "face", "settings": {**settings, "num_vectors_per_token": 3}}
    job = api.post("/ti/v1/jobs", json=body).json()["id"]
    finished(studio.jobs.list()[0])
    first = api.get(f"/ti/v1/jobs/{job}").json()
    assert first["segments"][0] == [0, 6, 0.1]
    made = read_embedding(Path(first["result"]))
    assert len(made.vectors["emb_params"]) == 3
    assert json.loads(made.metadata["ti.config"])["learning_rate"] == "0.1"


@pytest.mark.parametrize(
    "body", [{"preset": "fase"}, {"preset": 1}, {"preset": [1]}, {"preset": "face", "resume": "x"}]
)
def test_a_preset_that_is_none_is_refused(api: TestClient, body: dict[str, Any]) -> None:
    assert api.post("/ti/v1/jobs", json=body).status_code == 422


def test_without_a_model_the_schema_is_told_all_the_same(api: TestClient, studio: Studio) -> None:
    def missing() -> Any:
        raise HostError("no model is loaded")

    studio.host = missing
    assert api.get("/ti/v1/schema").json()["model"] is None


# --- what is said to programs -----------------------------------------------------------------


@pytest.mark.parametrize("failure", [KeyError("bug"), MemoryError(), "stopped"])
def test_what_was_not_made_is_not_answered_with_201(
    api: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    def create(*some: object) -> Path:
        if failure == "stopped":
            studio.jobs.list()[0].control.finish()
            return None  # type: ignore[return-value]
        raise failure

    monkeypatch.setattr(creation, "create_embedding", create)
    answer = api.post("/ti/v1/embeddings", json={"token_string": "zz-none"})
    assert answer.status_code == (409 if failure == "stopped" else 500)
    assert "None" not in answer.text
    assert type(failure).__name__ in answer.text or "stopped" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"token_string": "zz-a", "weights": "/srv/other.pt"},
        {"token_string": "zz-a", "overwrite": "yes"},
        {"token_string": "zz-a", "output_dir": "/srv"},
        {"token_string": "zz-a", "init_word": "half \ud83d a character"},
        {"token_string": "zz-a", "metadata_license": "\udcff"},
    ],
)
def test_no_setting_is_passed_over(api: TestClient, body: dict[str, Any], tmp_path: Path) -> None:
    answer = sent(api, "/ti/v1/embeddings", body)
    assert answer.status_code == 422
    assert list((tmp_path / "embeddings").iterdir()) == []


def sent(api: TestClient, path: str, body: object) -> Any:
    """A request whose JSON may hold half characters."""
    headers = {"content-type": "application/json"}
    return api.post(path, content=json.dumps(body), headers=headers)


def test_settings_are_named_as_programs_write_them(
    api: TestClient, studio: Studio, settings: dict[str, Any]
) -> None:
    answer = api.post("/ti/v1/jobs", json={"settings": {**settings, "train_batch_size": 0}})
    assert '"train_batch_size" is 0' in answer.json()["what"]
    told = begun(api, studio, {**settings, "prompt_template": "none", "max_train_steps": 1})
    events = api.get(f"/ti/v1/jobs/{told['id']}/events").json()["events"]
    for text in (json.dumps(told), json.dumps(events)):
        assert "`" not in text
        assert "--" not in text
    answer = api.post("/ti/v1/jobs", json={"resume": "nobody"})
    assert "press" not in answer.text, "there is no button"


@pytest.mark.skipif(os.name == "nt", reason="Windows has names of characters")
def test_names_that_are_not_utf_8_are_told_and_can_be_asked_for(
    api: TestClient, studio: Studio, settings: dict[str, Any], pictures: Path
) -> None:
    folder = pictures.parent / "caf\udce9"
    pictures.rename(folder)
    (folder / "x\udcff.png").symlink_to(next(folder.glob("*.png")))
    body = {"settings": {**settings, "train_data_dir": str(folder), "skip_checkup": False}}
    answer = sent(api, "/ti/v1/jobs", body)
    assert answer.status_code == 202, answer.text
    finished(studio.jobs.list()[0])
    job = f"/ti/v1/jobs/{answer.json()['id']}"
    for path in ("/ti/v1/jobs", job, f"{job}/events"):
        assert api.get(path).status_code == 200, path
    missing = {"settings": {**settings, "logging_dir": "/\udce9"}, "resume": "x"}
    answer = sent(api, "/ti/v1/jobs", missing)
    assert answer.status_code == 422


def test_numbers_that_are_none_are_null(api: TestClient, studio: Studio) -> None:
    def work(job: Job) -> None:
        job.emit(StepDone(1, 0, 0, float("nan"), float("inf"), 1.0))
        job.change(strengths=((1, float("nan")),))

    job = finished(studio.jobs.start("train", "word", work))
    answer = api.get(f"/ti/v1/jobs/{job.id}/events")
    assert "NaN" not in answer.text
    assert answer.json()["events"][0]["loss"] is None
    assert api.get(f"/ti/v1/jobs/{job.id}").json()["strengths"] == [[1, None]]


def test_a_long_answer_to_long_nonsense_is_cut(api: TestClient) -> None:
    answer = api.post("/ti/v1/jobs", json={"settings": {"learning_rate": "x" * 500_000}})
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


def test_an_embedding_is_renamed_noted_deleted_and_brought_back(
    api: TestClient, studio: Studio
) -> None:
    made = Embedding("zz-made", {"emb_params": torch.ones(1, 12)}, 1)
    path = studio.save_dir() / "zz-made.safetensors"
    replace_embedding(path, made)
    at = "/ti/v1/embeddings"
    new = path.with_name("zz-new.safetensors")
    answer = api.post(f"{at}/rename", json={"name": "zz-made", "new_name": "zz-new"})
    assert answer.json() == {"path": str(new), "notices": []}
    answer = api.post(f"{at}/notes", json={"file": new.name, "notes": "best", "license": "CC0"})
    noted = {"description": "", "notes": "best", "trigger": "", "license": "CC0"}
    assert answer.json() == noted
    (gone,) = [api.post(f"{at}/delete", json={"name": "zz-new"}).json()["file"]]
    assert not new.exists()
    (listed,) = api.get(f"{at}/deleted").json()
    assert (listed["file"], listed["original"]) == (gone, str(new))
    assert api.post(f"{at}/undo", json={}).json() == {"path": str(new)}
    assert api.post(f"{at}/notes", json={"name": "zz-new"}).json() == noted


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"name": "zz-made", "file": "zz-made.safetensors"}, 422),
        ({"name": 5}, 422),
        ({"name": "zz-no"}, 404),
        ({"file": "/etc/passwd"}, 404),
        ({"file": "../zz-made.safetensors"}, 404),
    ],
)
def test_only_embeddings_of_the_list_are_touched(
    api: TestClient, studio: Studio, body: dict[str, Any], status: int
) -> None:
    path = studio.save_dir() / "zz-made.safetensors"
    replace_embedding(path, Embedding("zz-made", {"emb_params": torch.ones(1, 12)}, 1))
    for route, more in (("rename", {"new_name": "x"}), ("delete", {}), ("notes", {"notes": "x"})):
        answer = api.post(f"/ti/v1/embeddings/{route}", json={**body, **more})
        assert answer.status_code == status, answer.text
    assert os.listdir(path.parent) == [path.name]


def test_what_is_trained_now_keeps_its_file(api: TestClient, studio: Studio) -> None:
    path = studio.save_dir() / "zz-made.safetensors"
    replace_embedding(path, Embedding("zz-made", {"emb_params": torch.ones(1, 12)}, 1))
    end = threading.Event()

    def wait(job: Job) -> None:
        end.wait(60)

    job = studio.jobs.start("train", "zz-made", wait)
    answer = api.post("/ti/v1/embeddings/delete", json={"name": "zz-made"})
    assert answer.status_code == 409
    end.set()
    finished(job)
    assert api.post("/ti/v1/embeddings/delete", json={"name": "zz-made"}).status_code == 200


# --- every answer is declared -----------------------------------------------------------------


def declared(api: TestClient) -> dict[tuple[str, str], set[int]]:
    """(method, path) → statuses, as OpenAPI tells."""
    paths = api.get("/openapi.json").json()["paths"]
    return {
        (method.upper(), path): {500 if s == "default" else int(s) for s in known["responses"]}
        for path, ways in paths.items()
        for method, known in ways.items()
    }


class Provoked:
    """Requests that bring about each status, and what came."""

    def __init__(self, api: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.studio, self.patch = api, studio, monkeypatch
        self.seen: dict[tuple[str, str], set[int]] = {}

    def ask(self, method: str, path: str, /, fill: dict[str, str], **how: Any) -> None:
        where = path.format(**fill)
        status = self.api.request(method, where, **how).status_code
        bare = path.partition("?")[0]
        self.seen.setdefault((method, bare), set()).add(status)

    def bodies(self, path: str, good: dict[str, Any], fill: dict[str, str] | None = None) -> None:
        json_kind, fill = {"content-type": "application/json"}, fill or {}
        self.ask("POST", path, fill, json=good)
        self.ask("POST", path, fill, json={"no such": 1})
        self.ask("POST", path, fill, content="x=1", headers={"content-type": "text/plain"})
        self.ask("POST", path, fill, content=b" " * 2_000_000, headers=json_kind)

        async def slow(*some: object) -> None:
            raise SlowRequestError("slow")

        with monkeypatched(self.patch, api_module, "read_object", slow):
            self.ask("POST", path, fill, json=good)


@contextmanager
def monkeypatched(patch: pytest.MonkeyPatch, *what: Any) -> Iterator[None]:
    with patch.context() as inner:
        inner.setattr(*what)
        yield


def fail(error: Exception) -> Any:
    def failing(*some: object, **more: object) -> Any:
        raise error

    return failing


def test_every_answer_is_declared_and_every_declared_answer_comes(
    studio: Studio, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing: list[str] = []

    def check() -> None:
        if refusing:
            raise ForbiddenError("not from here")

    app = FastAPI()
    app.include_router(router(studio, [Depends(check)]))
    with TestClient(app, raise_server_exceptions=False) as api:
        asked = Provoked(api, studio, monkeypatch)
        asked.bodies("/ti/v1/embeddings", {"token_string": "zz-made"})
        for error in (NoModelError("no"), StorageError("full"), HostError("no"), KeyError("bug")):
            with monkeypatched(monkeypatch, creation, "create_embedding", fail(error)):
                asked.ask("POST", "/ti/v1/embeddings", {}, json={"token_string": "zz-b"})
        nets = "/ti/v1/hypernetworks"
        asked.bodies(nets, {"hypernetwork_name": "warm"})
        for error in (NoModelError("no"), StorageError("full"), HostError("no"), KeyError("bug")):
            with monkeypatched(monkeypatch, hypernetworks, "create_hypernetwork", fail(error)):
                asked.ask("POST", nets, {}, json={"hypernetwork_name": "cold"})
        asked.ask("GET", nets, {})
        order = {**settings, "hypernetwork_name": "hot"}
        order = {name: order[name] for name in order if name not in ("token_string", "init_word")}
        asked.bodies(f"{nets}/jobs", {"settings": order})
        asked.ask("POST", f"{nets}/jobs", {}, json={"settings": order})
        finished(studio.jobs.list()[0])
        with monkeypatched(
            monkeypatch, hypernetworks, "known_hypernetworks", fail(NoModelError("-"))
        ):
            asked.ask("POST", f"{nets}/jobs", {}, json={"settings": order})
        text = {"name": "settings.txt", "text": "--seed 3"}
        asked.bodies("/ti/v1/import-settings", text)
        with monkeypatched(monkeypatch, api_module, "imported", fail(KeyError("bug"))):
            asked.ask("POST", "/ti/v1/import-settings", {}, json=text)
        asked.bodies("/ti/v1/replaced", {"file": "none"})
        made = Embedding("zz-made", {"emb_params": torch.ones(1, 12)}, 1)
        replace_embedding(studio.save_dir() / "zz-made.safetensors", made)
        (file,) = (each["file"] for each in api.get("/ti/v1/replaced").json())
        for error in (StorageError("full"), KeyError("bug")):
            with monkeypatched(monkeypatch, restoring, "bring_back", fail(error)):
                asked.ask("POST", "/ti/v1/replaced", {}, json={"file": file})
        asked.ask("POST", "/ti/v1/replaced", {}, json={"file": file})
        asked.ask("GET", "/ti/v1/replaced", {})
        library_routes(asked, monkeypatch)
        queue_routes(asked, studio, settings, monkeypatch)
        sweep_routes(asked, studio, settings, monkeypatch)
        asked.bodies("/ti/v1/jobs", {"settings": settings})
        asked.ask("POST", "/ti/v1/jobs", {}, json={"settings": settings})
        finished(studio.jobs.list()[0])
        job = {
            "job_id": studio.jobs.list()[0].id,
            "number": "0",
            "wish": "stop",
            "waiting_id": "none",
        }
        ways = [way for way in declared(api) if "{" in way[1]]
        for method, path in ways:
            for fill in (job, {**job, "job_id": "none"}, {**job, "number": "x"}):
                asked.ask(method, path, fill)
        asked.ask("GET", "/ti/v1/jobs/{job_id}/events?after=x", job)
        end = threading.Event()

        def wait(job: Job) -> None:
            end.wait(60)

        going = studio.jobs.start("other", "word", wait)
        there = {**job, "job_id": going.id}
        asked.ask("POST", "/ti/v1/jobs/{job_id}/{wish}", there)
        asked.bodies("/ti/v1/jobs/{job_id}/rate", {"factor": 0.5}, there)
        end.set()
        finished(going)
        asked.ask("GET", "/ti/v1/schema", {})
        asked.ask("GET", "/ti/v1/jobs", {})
        asked.ask("GET", "/ti/v1/embeddings", {})
        asked.ask("GET", "/ti/v1/embeddings?after=x", {})
        refusing.append("all")
        for method, path in declared(api):
            asked.ask(method, path, job)
        refusing.clear()
        with monkeypatched(monkeypatch, Jobs, "list", fail(KeyError("bug"))):
            asked.ask("GET", "/ti/v1/jobs", {})
        with monkeypatched(monkeypatch, Studio, "facts", fail(KeyError("bug"))):
            asked.ask("GET", "/ti/v1/schema", {})
            asked.ask("GET", "/ti/v1/embeddings", {})
        with monkeypatched(
            monkeypatch, api_hypernetworks, "known_hypernetworks", fail(KeyError("bug"))
        ):
            asked.ask("GET", nets, {})
        with monkeypatched(monkeypatch, restoring, "copies_in", fail(KeyError("bug"))):
            asked.ask("GET", "/ti/v1/replaced", {})
        with monkeypatched(monkeypatch, Jobs, "require_free", fail(KeyError("bug"))):
            asked.ask("POST", "/ti/v1/jobs", {}, json={"settings": settings})
            asked.ask("POST", f"{nets}/jobs", {}, json={"settings": order})
        with monkeypatched(monkeypatch, Jobs, "find", fail(KeyError("bug"))):
            for method, path in ways:
                asked.ask(method, path, job)
        assert asked.seen == declared(api)


def library_routes(asked: Provoked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each status of what is done to the files of an embedding."""
    at = "/ti/v1/embeddings"
    bodies = {
        "rename": ("rename", {"name": "zz-made", "new_name": "zz-new"}),
        "delete": ("delete", {"name": "zz-new"}),
        "undo": ("bring_back_deleted", {"file": ""}),
        "notes": ("write_label", {"name": "zz-new", "notes": "mine"}),
    }
    for name, (work, body) in bodies.items():  # in this order
        with monkeypatched(monkeypatch, library_files, work, fail(StorageError("full"))):
            asked.ask("POST", f"{at}/{name}", {}, json=body)
        with monkeypatched(monkeypatch, library_files, work, fail(KeyError("bug"))):
            asked.ask("POST", f"{at}/{name}", {}, json=body)
        asked.ask("POST", f"{at}/{name}", {}, json={**body, "wrong": 1})
        missing = "file" if name == "undo" else "name"
        asked.ask("POST", f"{at}/{name}", {}, json={**body, missing: "none"})
        with monkeypatched(monkeypatch, library_files, "require_no_run", fail(HostBusyError("-"))):
            if name in ("rename", "delete"):
                asked.ask("POST", f"{at}/{name}", {}, json=body)
        asked.bodies(f"{at}/{name}", body)
    asked.ask("GET", f"{at}/deleted", {})
    with monkeypatched(monkeypatch, library_files, "deleted_in", fail(KeyError("bug"))):
        asked.ask("GET", f"{at}/deleted", {})


def queue_routes(
    asked: Provoked, studio: Studio, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each status of what is done to the queue."""
    queue, at = studio.jobs.queue, "/ti/v1/queue"
    queue.stopped = True
    asked.bodies(at, {"settings": settings})
    for name, error in (("enqueue", HostBusyError("-")), ("enqueue", KeyError("bug"))):
        with monkeypatched(monkeypatch, Jobs, name, fail(error)):
            asked.ask("POST", at, {}, json={"settings": settings})
    (waiting,) = queue.list()
    there, path = {"waiting_id": waiting.id}, f"{at}/{{waiting_id}}"
    asked.bodies(f"{at}/change", {"id": waiting.id, "places": 1})
    asked.ask("POST", f"{at}/change", {}, json={"id": "none"})
    for method in ("move", "remove", "list"):
        with monkeypatched(monkeypatch, Queue, method, fail(KeyError("bug"))):
            asked.ask("POST", f"{at}/change", {}, json={"id": waiting.id})
            asked.ask("DELETE", path, there)
            asked.ask("GET", at, {})
            queue.put_back(waiting)
    asked.ask("DELETE", path, there)
    asked.ask("DELETE", path, {"waiting_id": "none"})
    asked.ask("GET", at, {})
    for left in queue.list():
        queue.remove(left.id)
    queue.stopped = False


def sweep_routes(
    asked: Provoked, studio: Studio, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each status of what begins or continues a sweep."""
    long = {**settings, "max_train_steps": 100_000}  # it ends when it is told to
    at, order = "/ti/v1/sweeps", {"settings": long, "grid": {"seed": [1, 2]}}
    asked.bodies(at, order)
    asked.ask("POST", at, {}, json=order)  # another one is running
    studio.jobs.list()[0].control.finish()
    finished(studio.jobs.list()[0])
    asked.ask("POST", at, {}, json={"settings": settings, "resume": "none"})
    for error in (StorageError("full"), TrainingError("no"), DataError("no"), KeyError("bug")):
        with monkeypatched(monkeypatch, api_sweeps, "sweep_variants", fail(error)):
            asked.ask("POST", at, {}, json=order)


def test_every_body_is_described(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    told = paths["/ti/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    settings = told["properties"]["settings"]["properties"]
    assert set(settings) == {one["name"] for one in api.get("/ti/v1/schema").json()["train"]}
    assert settings["num_vectors_per_token"]["maximum"] == 75
    assert settings["mixed_precision"]["enum"] == ["auto", "no", "fp16", "bf16"]
    made = paths["/ti/v1/embeddings"]["post"]["requestBody"]["content"]["application/json"]
    assert "weights" not in made["schema"]["properties"]


def test_a_hypernetwork_is_made_trained_resumed_and_listed(
    api: TestClient, studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    body = {"hypernetwork_name": "warm", "activation_func": "relu", "enable_sizes": "12"}
    answer = api.post("/ti/v1/hypernetworks", json={"hypernetwork_name": "new"})
    path = tmp_path / "hypernetworks" / "new.pt"
    assert (answer.status_code, answer.json()) == (201, {"name": "new", "path": str(path)})
    assert api.post("/ti/v1/hypernetworks", json={"hypernetwork_name": "new"}).status_code == 422
    order = {name: settings[name] for name in settings if name not in ("token_string", "init_word")}
    wanted = {"preset": "object", "settings": {**order, "name": "warm", "layer_structure": "1, 1"}}
    answer = api.post("/ti/v1/hypernetworks/jobs", json=wanted)
    assert answer.status_code == 202, answer.text
    job = finished(studio.jobs.list()[0])
    assert (job.kind, job.progress.step) == ("hypernetwork", 6), job.progress.error
    more = {"resume": "warm", "settings": {"max_train_steps": 8, "learning_rate": "0.125"}}
    assert api.post("/ti/v1/hypernetworks/jobs", json=more).status_code == 202
    progress = finished(studio.jobs.list()[0]).progress
    assert (progress.first_step, progress.step, progress.rate) == (6, 8, 0.125)
    told = " ".join(notice.what for notice in progress.notices)
    assert "`learning_rate` 5e-6:12000, 5e-7 → 0.125" in told
    (tmp_path / "hypernetworks" / "bad.pt").write_bytes(b"PK")
    listed = {each["name"]: each for each in api.get("/ti/v1/hypernetworks").json()}
    new, warm, bad = listed["new"], listed["warm"], listed["bad"]
    assert (new["step"], warm["step"], warm["structure"]) == (0, 8, "1, 1 swish")
    assert "bad.pt" in bad["reason"]
    wrongs: list[dict[str, Any]] = [
        {"resume": "warm", "settings": {"layer_structure": "1, 2, 1"}},
        {"resume": "warm", "settings": {"learning_rate": "fast"}},
        {"resume": "nobody"},
        {"preset": "none"},
        {"settings": {"weights": "x"}},
        {"settings": []},
    ]
    for wrong in wrongs:
        assert api.post("/ti/v1/hypernetworks/jobs", json=wrong).status_code == 422
    elsewhere = {"resume": "warm", "settings": {"prompt_template": "/etc/passwd"}}
    assert api.post("/ti/v1/hypernetworks/jobs", json=elsewhere).status_code == 403
    assert api.post("/ti/v1/hypernetworks", json=body).status_code == 422


def test_a_hosts_own_authorisation_guards_every_route(studio: Studio) -> None:
    def refuse() -> None:
        raise HTTPException(401)

    app = FastAPI()
    app.include_router(router(studio, [Depends(refuse)]))
    paths = [route.path for route in router(studio).routes]  # type: ignore[attr-defined]
    assert len(paths) == 26
    with TestClient(app) as client:
        for path in paths:
            for method in ("GET", "POST"):
                status = client.request(method, path, json={}).status_code
                assert status in (401, 405), (method, path)
        assert client.get("/ti/v1/schema").status_code == 401
        assert client.post("/ti/v1/jobs", json={}).status_code == 401


# --- embeddings -------------------------------------------------------------------------------


def test_all_embeddings_are_listed_with_what_is_not_used_and_why(
    api: TestClient, studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    begun(api, studio, settings)
    folder = tmp_path / "embeddings"
    rows = {"emb_params": torch.zeros(2, 768)}
    (folder / "sub").mkdir()
    write_embedding(folder / "sub" / "wide.safetensors", Embedding("wide", rows, 7))
    (folder / "broken.pt").write_bytes(b"nothing")
    found = api.get("/ti/v1/embeddings").json()
    assert (found["total"], found["next"]) == (3, None)
    own, broken, wide = sorted(found["embeddings"], key=lambda e: "zbw".index(e["name"][0]))
    assert (own["name"], own["file"], own["loaded"]) == ("zz-thing", "zz-thing.safetensors", True)
    assert (own["step"], own["vectors"], own["base_model"]) == (6, 1, "fake")
    assert own["shapes"] == {"emb_params": [1, 12]}
    assert (wide["loaded"], wide["file"], wide["family"]) == (False, "sub/wide.safetensors", "sd1")
    assert wide["reason"].startswith("wide does not fit this model: it is for SD 1.x (768 wide)")
    assert (broken["loaded"], broken["name"]) == (False, "broken")
    assert broken["reason"]
    assert str(tmp_path) not in json.dumps(found)


def test_the_list_comes_in_parts(api: TestClient, tmp_path: Path) -> None:
    for number in range(5):
        rows = {"emb_params": torch.zeros(1, 12)}
        path = tmp_path / "embeddings" / f"e{number}.safetensors"
        write_embedding(path, Embedding(path.stem, rows))
    names, after = [], 0
    while after is not None:
        part = api.get("/ti/v1/embeddings", params={"after": after, "limit": 2}).json()
        assert part["total"] == 5
        names.append([each["name"] for each in part["embeddings"]])
        after = part["next"]
    assert names == [["e0", "e1"], ["e2", "e3"], ["e4"]]
    whole = api.get("/ti/v1/embeddings", params={"after": -3, "limit": 10**9}).json()
    assert len(whole["embeddings"]) == 5
    assert api.get("/ti/v1/embeddings", params={"after": 99}).json()["embeddings"] == []
    assert api.get("/ti/v1/embeddings", params={"after": "x"}).status_code == 422


def test_the_list_is_described(api: TestClient) -> None:
    told = api.get("/openapi.json").json()["paths"]["/ti/v1/embeddings"]["get"]
    assert {each["name"] for each in told["parameters"]} == {"after", "limit"}
    schema = told["responses"]["200"]["content"]["application/json"]["schema"]
    one = schema["properties"]["embeddings"]["items"]["properties"]
    answer = api.get("/ti/v1/embeddings").json()
    assert answer.keys() == schema["properties"].keys()
    assert {"name", "file", "loaded", "reason", "step", "shapes"} <= one.keys()


def test_a_training_again_has_the_settings_of_a_file_and_another_name(
    api: TestClient, studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    begun(api, studio, {**settings, "seed": 9, "learning_rate": "0.01"})
    more = {
        "train_data_dir": settings["train_data_dir"],
        "skip_checkup": True,
        "resolution": [64, 64],
    }
    answer = api.post("/ti/v1/jobs", json={"again": "zz-thing", "settings": more})
    assert answer.status_code == 202, answer.text
    finished(studio.jobs.list()[0])
    one, two = (
        read_embedding(tmp_path / "embeddings" / f"{name}.safetensors")
        for name in ("zz-thing", "zz-thing-2")
    )
    assert (two.step, two.name) == (6, "zz-thing-2")
    config = json.loads(two.metadata["ti.config"])
    assert (config["seed"], config["learning_rate"]) == (9, "0.01")
    assert two.metadata["ti.template"] == one.metadata["ti.template"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"again": "nothing"}, "there is no embedding nothing"),
        ({"again": "zz-thing", "preset": "style"}, "both given"),
        ({"again": "zz-thing", "resume": "zz-thing"}, "both given"),
        ({"again": "stranger"}, "does not record how it was trained"),
    ],
)
def test_what_cannot_be_trained_again_is_told(
    api: TestClient, tmp_path: Path, body: dict[str, Any], told: str
) -> None:
    rows = {"emb_params": torch.zeros(1, 12)}
    write_embedding(tmp_path / "embeddings" / "stranger.safetensors", Embedding("stranger", rows))
    answer = api.post("/ti/v1/jobs", json=body)
    assert answer.status_code == 422
    assert told in answer.json()["what"]
