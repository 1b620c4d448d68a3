"""From what is asked for to a trained embedding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.errors import ConfigError, HostError, TrainingError
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.options import make_config
from ti_core.train.config import TrainConfig
from ti_core.train.events import StepDone
from ti_core.train.loop import train
from ti_webui.job import Job
from ti_webui.studio import Studio
from ti_webui.training import (
    find_embedding,
    find_resumable,
    more_steps,
    new_request,
    resume_request,
    start_training,
)

from .conftest import finished


def config_of(settings: dict[str, Any], **changes: Any) -> TrainConfig:
    made: TrainConfig = make_config(TrainConfig, {**settings, **changes})
    return made


def run(studio: Studio, settings: dict[str, Any], **changes: Any) -> Job:
    job = finished(start_training(studio, new_request(studio, config_of(settings, **changes))))
    assert job.progress.error == ""
    return job


def test_a_new_word_is_trained_and_lies_where_the_program_looks(
    studio: Studio, settings: dict[str, Any], tmp_path: Path, host: FakeHost
) -> None:
    job = run(studio, settings, output_dir=str(tmp_path / "elsewhere"))
    path = tmp_path / "embeddings" / "zz-thing.safetensors"
    assert (job.progress.state, job.progress.result) == ("done", path)
    assert read_embedding(path).step == 6
    assert host.saved == [path]
    assert len(job.progress.losses) == 6
    assert [preview.step for preview in job.progress.previews] == [0, 3, 6]
    assert not (tmp_path / "elsewhere").exists()


def test_the_panel_trains_what_the_command_line_trains(
    studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    run(studio, settings)
    other = config_of(settings, output_dir=str(tmp_path / "cli"), logging_dir=str(tmp_path / "l"))
    path = train(other, FakeHost(tmp_path))
    assert path.read_bytes() == (tmp_path / "embeddings" / "zz-thing.safetensors").read_bytes()


def test_the_strength_is_measured_at_the_start_and_at_the_end(
    studio: Studio, settings: dict[str, Any]
) -> None:
    job = run(studio, settings, save_state_every_n_steps=2)
    assert [step for step, _ in job.progress.strengths] == [0, 2, 4, 6]
    assert all(0.1 < ratio < 10 for _, ratio in job.progress.strengths)
    assert list(studio.usual_lengths) == [("fake", "0" * 10)]


def test_an_embedding_that_is_there_goes_on_from_its_own_vectors(
    studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "embeddings" / "people"
    folder.mkdir()
    rows = torch.full((3, 12), 0.5)
    path = folder / "zz-thing.safetensors"
    write_embedding(path, Embedding("zz-thing", {"emb_params": rows}))
    order = new_request(studio, config_of(settings, token_string="ZZ-Thing", max_train_steps=1))
    assert order.config.embedding.weights == str(path)
    assert order.config.embedding.num_vectors_per_token == 3
    finished(start_training(studio, order))
    trained = read_embedding(path)
    assert trained.vectors["emb_params"].shape == (3, 12)
    assert not torch.equal(trained.vectors["emb_params"], rows)
    assert list((tmp_path / "embeddings").glob("*.safetensors")) == []


def test_a1111s_own_pt_goes_on_as_safetensors_and_is_kept_in_the_end(
    studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "embeddings" / "zz-thing.pt"
    write_embedding(path, Embedding("zz-thing", {"emb_params": torch.ones(2, 12)}), "pt")
    before = path.read_bytes()
    request = new_request(studio, config_of(settings))
    assert request.config.embedding.weights == str(path)
    assert [one.name for one in path.parent.iterdir()] == ["zz-thing.pt"]
    job = finished(start_training(studio, request))
    assert any("continues a .pt only" in notice.why for notice in job.progress.notices)
    assert not path.exists()
    assert path.with_name("zz-thing.pt.before-1").read_bytes() == before
    trained = read_embedding(path.with_suffix(".safetensors"))
    assert not torch.equal(trained.vectors["emb_params"], torch.ones(2, 12))


def test_a_card_is_not_given_a_second_file_of_its_name(
    studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "embeddings" / "zz-thing.png"
    write_embedding(path, Embedding("zz-thing", {"emb_params": torch.ones(1, 12)}), "png")
    with pytest.raises(ConfigError, match=r"zz-thing\.png"):
        new_request(studio, config_of(settings))


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    studio: Studio, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(studio, settings, token_string="zz-whole", max_train_steps=8)
    emit = Job.emit

    def interrupt_at_three(job: Job, event: Any) -> None:
        emit(job, event)
        if isinstance(event, StepDone) and event.step == 3:
            job.control.finish()

    monkeypatch.setattr(Job, "emit", interrupt_at_three)
    first = run(studio, settings, token_string="zz-whole-2", max_train_steps=8)
    assert (first.progress.state, first.progress.step) == ("stopped", 3)
    monkeypatch.setattr(Job, "emit", emit)

    found = find_resumable(studio, "zz-whole-2", str(tmp_path / "log"))
    assert found is not None
    assert found.step == 3
    job = finished(start_training(studio, resume_request(found, "zz-whole-2")))
    assert (job.progress.state, job.progress.first_step, job.progress.step) == ("done", 3, 8)
    results = [read_embedding(done.progress.result) for done in (whole, job)]  # type: ignore[arg-type]
    one, two = (result.vectors["emb_params"] for result in results)
    assert torch.equal(one, two)


def test_resuming_takes_the_runs_settings_and_more_steps_if_asked(
    studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    run(studio, settings)
    found = find_resumable(studio, "zz-thing", str(tmp_path / "log"))
    assert found
    assert more_steps(found.config, 4) == {}
    order = resume_request(found, "zz-thing", more_steps(found.config, 9))
    assert order.config.optimizer.max_train_steps == 9
    assert finished(start_training(studio, order)).progress.step == 9


def test_a_newer_run_that_is_damaged_is_told(
    studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    run(studio, settings)
    wreck = next((tmp_path / "log").glob("*/zz-thing")).with_name("zz-thing-2")
    wreck.mkdir()
    (wreck / "settings.json").write_text("{")
    found = find_resumable(studio, "zz-thing", str(tmp_path / "log"))
    job = finished(
        start_training(studio, resume_request(found, "zz-thing", {"max_train_steps": 9}))
    )
    assert any("zz-thing-2 is skipped" in notice.what for notice in job.progress.notices)


def test_nothing_to_resume_is_said(studio: Studio, tmp_path: Path) -> None:
    assert find_resumable(studio, "zz-thing", str(tmp_path / "log")) is None
    with pytest.raises(TrainingError, match="no run of zz-thing"):
        resume_request(None, "zz-thing")


def test_no_model_is_an_error_on_the_page(studio: Studio, settings: dict[str, Any]) -> None:
    def missing() -> FakeHost:
        raise HostError("no model is loaded", "", "choose a checkpoint")

    order = new_request(studio, config_of(settings))
    studio.host = missing
    job = finished(start_training(studio, order))
    assert job.progress.error == "no model is loaded; choose a checkpoint"


def test_names_are_found_as_the_program_finds_them(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "embeddings" / "My-Cat.safetensors"
    write_embedding(path, Embedding("My-Cat", {"emb_params": torch.ones(1, 12)}))
    found = find_embedding(studio, "my-cat")
    assert found is not None
    assert found.path == path
    assert find_embedding(studio, "my-dog") is None


def test_the_checkup_is_shown_and_its_errors_end_the_run(
    studio: Studio, settings: dict[str, Any], tmp_path: Path
) -> None:
    changes = {"train_data_dir": str(tmp_path / "nothing here"), "skip_checkup": False}
    order = new_request(studio, config_of(settings, **changes))
    job = finished(start_training(studio, order))
    assert job.progress.state == "failed"
    assert "there is no folder" in job.progress.error
    assert "nothing here" in job.progress.error
    assert {finding.severity for finding in job.progress.findings} >= {"error"}
    assert not (tmp_path / "log").exists()


def test_findings_that_are_no_errors_are_shown_once_and_training_begins(
    studio: Studio, settings: dict[str, Any]
) -> None:
    progress = run(studio, settings, skip_checkup=False).progress
    assert progress.state == "done"
    assert {finding.severity for finding in progress.findings} >= {"hint", "note"}
    told = {notice.what for notice in progress.notices}
    assert not told & {finding.what for finding in progress.findings}


def test_what_notices_tell_is_not_among_the_findings(
    studio: Studio, settings: dict[str, Any]
) -> None:
    (Path(settings["train_data_dir"]) / "broken.png").touch()
    changes = {"skip_checkup": False, "learning_rate": "0.1:2, 0.01:4", "max_train_steps": 9}
    progress = run(studio, settings, **changes).progress
    told = " ".join(notice.what for notice in progress.notices)
    assert told.count("training ends at step 4, before step 9") == 1
    assert told.count("broken.png is skipped") == 1
    assert not {"schedule_short", "unreadable"} & {each.rule for each in progress.findings}


def test_several_words_are_trained_over_the_api_too(
    studio: Studio, settings: dict[str, Any], tmp_path: Path, host: FakeHost
) -> None:
    pictures = settings["train_data_dir"]
    tables = [{"name": name, "train_data_dir": pictures} for name in ("zz-one", "zz-two")]
    changes = {"token_string": "", "train_data_dir": "", "words": json.dumps(tables)}
    job = run(studio, settings, **changes, output_dir=str(tmp_path / "elsewhere"))
    paths = [tmp_path / "embeddings" / f"{name}.safetensors" for name in ("zz-one", "zz-two")]
    assert host.saved == paths
    assert job.progress.result == paths[0]
