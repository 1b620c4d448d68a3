"""`/ti/v1/sweeps`: several trainings as one job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ti_core.errors import ForbiddenError
from ti_core.files.seal import read_sealed_json, write_sealed_json
from ti_core.train.control import Control
from ti_core.train.events import StepDone
from ti_core.train.sweep_folder import SweepFolder
from ti_webui.studio import Studio
from ti_webui.sweeping import resume_sweep

from .conftest import finished


@pytest.fixture
def body(settings: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    given = {**settings, "latent_cache_dir": str(tmp_path / "cache")}
    return {"settings": given, "grid": {"learning_rate": [0.005, 0.001]}}


def folder(tmp_path: Path) -> SweepFolder:
    return SweepFolder.find("latest", tmp_path / "log")


def test_a_sweep_is_one_job_with_a_page(
    api: TestClient, studio: Studio, body: dict[str, Any], tmp_path: Path
) -> None:
    answer = api.post("/ti/v1/sweeps", json=body)
    assert answer.status_code == 202, answer.text
    job = finished(studio.jobs.list()[0])
    told = api.get(f"/ti/v1/jobs/{job.id}").json()
    assert (told["kind"], told["state"], told["step"]) == ("sweep", "done", 6)
    assert Path(told["result"]).name == "comparison.html"
    assert [entry.state for entry in folder(tmp_path).entries] == ["done", "done"]
    made = {path.name for path in (tmp_path / "embeddings").glob("*.safetensors")}
    assert made == {"zz-thing-1.safetensors", "zz-thing-2.safetensors"}
    events = api.get(f"/ti/v1/jobs/{job.id}/events").json()["events"]
    assert [event["event"] for event in events].count("VariantStarted") == 2


def test_a_sweep_that_was_stopped_is_continued(
    api: TestClient,
    studio: Studio,
    body: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter(range(100))
    asked = property(lambda control: next(looks) > 4)
    with monkeypatch.context() as patch:
        patch.setattr(Control, "finishing", asked)
        api.post("/ti/v1/sweeps", json=body)
        finished(studio.jobs.list()[0])
    before = [entry.state for entry in folder(tmp_path).entries]
    assert before != ["done", "done"]
    assert api.post("/ti/v1/sweeps", json={"resume": "latest"}).status_code == 202
    finished(studio.jobs.list()[0])
    assert [entry.state for entry in folder(tmp_path).entries] == ["done", "done"]
    name = folder(tmp_path).path.name
    assert api.post("/ti/v1/sweeps", json={"resume": name}).status_code == 202
    steps = [
        one for one in finished(studio.jobs.list()[0]).events()[0] if isinstance(one, StepDone)
    ]
    assert steps == []


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"grid": {}}, 422, "varies nothing"),
        ({"grid": [1]}, 422, "grid is not"),
        ({"grid": {"seed": 1}}, 422, "grid is not"),
        ({"variants": {}}, 422, "variants is not"),
        ({"variants": ["x"]}, 422, "variants is not"),
        ({"grid": {"output_dir": ["/tmp"]}}, 422, "cannot vary"),
        ({"variants": [{"output_name": "x"}]}, 422, "cannot vary"),
        ({"grid": {"seed": list(range(300))}}, 422, "300 variants"),
        ({"grid": {"train_data_dir": ["/no/such/one"]}}, 422, "/no/such/one"),
        ({"more": 1}, 422, "unknown setting"),
        ({"resume": "../log"}, 404, "was not found"),
        ({"resume": ".."}, 404, "was not found"),
        ({"resume": "nothing"}, 404, "was not found"),
    ],
)
def test_what_cannot_be_swept_is_an_error(
    api: TestClient,
    studio: Studio,
    body: dict[str, Any],
    tmp_path: Path,
    change: dict[str, Any],
    status: int,
    told: str,
) -> None:
    answer = api.post("/ti/v1/sweeps", json={**body, **change})
    assert answer.status_code == status, answer.text
    assert told in json.dumps(answer.json())
    assert not (tmp_path / "log").exists()
    assert studio.jobs.list() == []


def test_a_record_leads_nobody_out(
    api: TestClient, studio: Studio, body: dict[str, Any], tmp_path: Path
) -> None:
    api.post("/ti/v1/sweeps", json=body)
    finished(studio.jobs.list()[0])
    path = folder(tmp_path).path / "sweep.json"
    record: Any = read_sealed_json(path)
    record["train"]["data"]["train_data_dir"] = str(tmp_path / "elsewhere")
    record["variants"][0]["state"] = "waiting"
    write_sealed_json(path, record)
    studio.dataset_roots = lambda: (tmp_path / "pictures", tmp_path / "log", tmp_path / "cache")
    with pytest.raises(ForbiddenError, match="elsewhere"):
        resume_sweep(studio, str(tmp_path / "log"))
