"""A stopped, crashed or killed run goes on as if nothing had happened."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ti_core.errors import TrainingError
from ti_core.events import Event, Notice
from ti_core.families import FAMILIES, SDXL
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.options import make_config, to_dict
from ti_core.train import keeping
from ti_core.train.config import BaseTrainConfig, TrainConfig
from ti_core.train.events import Finished, Saved, Started, StepDone
from ti_core.train.loop import train
from ti_core.train.progress import JobProgress, after
from ti_core.train.run_folder import RunFolder
from ti_core.train.smoothing import smoothed
from ti_core.train.state import latest_state, list_states

from ..conftest import Configure
from . import hypernetwork_runs
from .spoiled import Log, StopAfter

ROOT = Path(__file__).parents[2]
KILLED_RUN = """
import json, os, signal, sys
from pathlib import Path
import torch
from ti_core.families import FAMILIES
from ti_core.hosts.fake import FakeHost
from ti_core.options import from_dict
from ti_core.train.events import StepDone
from ti_core.train.loop import train
from ti_core.train.plan import LEARNABLES
from ti_core.train.run_folder import RunFolder

torch.set_num_threads(1)

def listen(event):
    if isinstance(event, StepDone) and event.step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

host = FakeHost(family=FAMILIES[sys.argv[3]])
config = next(each for each in LEARNABLES if each.__name__ == sys.argv[4])
resume = RunFolder(Path(sys.argv[5])) if sys.argv[5] else None
train(from_dict(config, json.loads(sys.argv[1])), host, listen, resume=resume)
"""


def stopped(config: TrainConfig, steps: int, host: FakeHost | None = None) -> RunFolder:
    """A run that was told to stop after so many steps."""
    log = Log()
    train(config, host or FakeHost(), log, StopAfter(log, steps))
    return RunFolder(log.of(Started)[0].run_folder)


def in_one_go(configure: Configure, **changes: Any) -> bytes:
    return train(configure(overwrite=True, **changes), FakeHost()).read_bytes()


def killed(
    config: BaseTrainConfig, step: int, family: str = "sd1", resume: RunFolder | None = None
) -> None:
    """A run in a process of its own, killed right after a step."""
    learnable, place = type(config).__name__, str(resume.path) if resume else ""
    arguments = [json.dumps(to_dict(config)), str(step), family, learnable, place]
    run = subprocess.run([sys.executable, "-c", KILLED_RUN, *arguments], cwd=ROOT, check=False)
    assert run.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("family", [pytest.param("sd1", marks=pytest.mark.slow), "sdxl"])
def test_a_killed_run_goes_on_bit_for_bit(configure: Configure, family: Any) -> None:
    settings = {
        "max_train_steps": 60,
        "save_state_every_n_steps": 20,
        "num_vectors_per_token": 2,
        "latent_sampling_method": "random",
        "learning_rate": "0.01:30, 0.002",
        "lr_scheduler": "cosine",
    }
    config = configure(**settings)
    killed(config, 47, family)
    folder = RunFolder.find("latest", Path(config.output.logging_dir), config.name)
    assert [path.name for path in list_states(folder.state)][-1] == "state-000040.safetensors"
    log = Log()
    resumed = train(config, FakeHost(family=FAMILIES[family]), log, resume=folder).read_bytes()
    assert log.steps == list(range(41, 61))
    whole = train(
        configure(**settings, overwrite=True), FakeHost(family=FAMILIES[family])
    ).read_bytes()
    assert resumed == whole


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_hypernetwork_is_killed_again_and_again_and_goes_on_bit_for_bit(
    tmp_path: Path, pictures: Path
) -> None:
    """With dropout, whose draws are a function of the step."""
    settings = {
        "max_train_steps": 40,
        "save_state_every_n_steps": 6,
        "activation_func": "swish",
        "use_dropout": True,
        "dropout_structure": "0, 0.3, 0",
        "learning_rate": "0.01:30, 0.002",
    }
    config = hypernetwork_runs.config(tmp_path, pictures, **settings)
    killed(config, 5)  # before the second state
    folder = RunFolder.find("latest", tmp_path / "log", "warm", "hypernetwork")
    for step in (13, 40):
        assert latest_state(folder.state).step < step
        killed(config, step, resume=folder)
    resumed = train(config, FakeHost(), resume=folder).read_bytes()
    whole = hypernetwork_runs.config(tmp_path, pictures, **settings, overwrite=True)
    assert resumed == train(whole, FakeHost()).read_bytes()


@pytest.mark.parametrize("steps", [0, 1, 5, 9])
def test_stop_and_resume_equals_one_go(configure: Configure, steps: int) -> None:
    config = configure()
    folder = stopped(config, steps)
    resumed = train(config, FakeHost(), resume=folder).read_bytes()
    assert resumed == in_one_go(configure)


def test_stopping_again_and_again_changes_nothing(configure: Configure) -> None:
    config = configure()
    folder = stopped(config, 2)
    for _ in range(3):
        log = Log()
        train(config, FakeHost(), log, StopAfter(log, 2), resume=folder)
    assert train(config, FakeHost(), resume=folder).read_bytes() == in_one_go(configure)


def test_the_log_of_a_resumed_run_has_every_step_once(configure: Configure) -> None:
    config = configure(loss_csv_every=1, save_state_every_n_steps=4)
    folder = stopped(config, 6)
    list_states(folder.state)[-1].unlink()  # as after a kill: back to step 4
    train(config, FakeHost(), resume=folder)
    assert [step for step, _, _ in folder.losses()] == list(range(1, 11))
    rows = (folder.path / "textual_inversion_loss.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", *map(str, range(1, 11))]


def test_a_truncated_state_costs_only_the_steps_since_the_one_before(configure: Configure) -> None:
    config = configure(save_state_every_n_steps=3)
    folder = stopped(config, 7)
    newest = list_states(folder.state)[-1]
    newest.write_bytes(newest.read_bytes()[:200])
    log = Log()
    assert train(config, FakeHost(), log, resume=folder).read_bytes() == in_one_go(configure)
    assert log.steps == [7, 8, 9, 10]


def test_a_half_written_log_does_not_stop_a_resume(configure: Configure) -> None:
    config = configure()
    folder = stopped(config, 4)
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(b'{"event": "StepDone", "step": 5, "k\xc3')
    train(config, FakeHost(), resume=folder)
    assert len(folder.losses()) == 10


def test_a_changed_learning_rate_takes_effect(configure: Configure) -> None:
    """A1111's saved optimizer state brings the old one back."""
    folder = stopped(configure(learning_rate="0.005"), 5)
    log = Log()
    changed = train(configure(learning_rate="0.5"), FakeHost(), log, resume=folder)
    assert [event.rate for event in log.of(StepDone)] == [0.5] * 5
    assert changed.read_bytes() != in_one_go(configure)


def test_a_resume_starts_in_the_right_part_of_the_schedule(configure: Configure) -> None:
    config = configure(learning_rate="0.5:5, 0.25:8, 0.125")
    folder = stopped(config, 6)
    log = Log()
    train(config, FakeHost(), log, resume=folder)
    assert [event.rate for event in log.of(StepDone)] == [0.25, 0.25, 0.125, 0.125]


def test_more_steps_can_be_added_to_a_finished_run(configure: Configure) -> None:
    folder = stopped(configure(), 10)
    config = configure(max_train_steps=15)
    assert train(config, FakeHost(), resume=folder).read_bytes() == in_one_go(
        configure, max_train_steps=15
    )


def test_already_past_the_end_names_both_numbers(configure: Configure) -> None:
    """A1111 says "finished at 0 steps"."""
    folder = stopped(configure(), 10)
    text = "has 10 steps already, and `max_train_steps` is 7"
    with pytest.raises(TrainingError, match=text):
        train(configure(max_train_steps=7), FakeHost(), resume=folder)


@pytest.mark.parametrize("lost", [False, True])
def test_a_finished_run_says_so_and_its_file_is_there(configure: Configure, lost: bool) -> None:
    folder = stopped(configure(), 10)
    path = Path(configure().output.output_dir) / "zz-thing.safetensors"
    before, log = path.read_bytes(), Log()
    if lost:
        path.unlink()
    assert train(configure(), FakeHost(), log, resume=folder) == path
    assert path.read_bytes() == before
    (told,) = log.of(Notice)
    assert told.what == "zz-thing has all of its 10 steps"
    assert told.why == (f"{path} was missing and is written" if lost else f"{path} is there")
    assert "max_train_steps" in told.fix
    assert log.of(Finished)[0].reason == "done"


def test_a_copy_and_previews_that_a_kill_left_out_are_made_up_for(configure: Configure) -> None:
    config = configure(save_every_n_steps=5, sample_every_n_steps=5)
    folder = stopped(config, 5)
    wanted = [folder.copy_path("zz-thing", 5), folder.image_path("zz-thing", 5, 0)]
    before = [path.read_bytes() for path in wanted]
    for path in wanted:
        path.unlink()
    train(config, FakeHost(), resume=folder)
    assert [path.read_bytes() for path in wanted] == before


def test_a_run_can_be_resumed_before_its_first_update(configure: Configure) -> None:
    """Its first state holds what it started from, whatever becomes of that file."""
    start = train(configure(token_string="zz-a"), FakeHost())
    config, seen = configure(weights=str(start), initial_step=0), Log()

    def listen(event: Event) -> None:
        seen(event)
        if isinstance(event, Started):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, FakeHost(), listen)
    whole = train(configure(weights=str(start), output_name="other", initial_step=0), FakeHost())
    start.unlink()
    log = Log()
    path = train(config, FakeHost(), log, resume=RunFolder(seen.of(Started)[0].run_folder))
    assert log.steps == list(range(1, 11))
    assert torch.equal(*(read_embedding(p).vectors["emb_params"] for p in (path, whole)))


def test_a_state_comes_with_each_copy(configure: Configure) -> None:
    log = Log()
    train(configure(save_state_every_n_steps=1000, save_every_n_steps=4), FakeHost(), log)
    saved = [(event.step, event.kind) for event in log.of(Saved)]
    assert saved == [(4, "state"), (4, "copy"), (8, "state"), (8, "copy"), (10, "state")]


def test_a_state_comes_with_time(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    now = SimpleNamespace(monotonic=lambda: 50.0 * len(log.steps))
    monkeypatch.setattr(keeping, "time", now)
    train(configure(save_state_every_n_steps=1000), FakeHost(), log)
    assert [event.step for event in log.of(Saved)] == [3, 6, 9, 10]


def test_other_surroundings_are_told(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stopped(configure(), 5)
    noted = folder.read_settings()["made_with"]
    assert noted["threads"] == str(torch.get_num_threads())
    assert noted["torch"] == torch.__version__
    assert noted["device"].startswith("cpu")
    log = Log()
    train(configure(), FakeHost(), log, StopAfter(log, 2), folder)
    assert log.of(Notice) == []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch, "__version__", "9.9")
    train(configure(), FakeHost(), log, resume=folder)
    (told,) = log.of(Notice)
    assert told.level == "warning"
    assert f"threads {noted['threads']} → 3, torch {noted['torch']} → 9.9" in told.what


def test_damaged_settings_are_not_believed(configure: Configure) -> None:
    folder = stopped(configure(), 5)
    path = folder.path / "settings.json"
    path.write_text(path.read_text().replace("0.005", "0.004"))
    with pytest.raises(TrainingError, match="not what was written"):
        folder.read_settings()


def test_no_saved_state_is_an_error(configure: Configure, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "log", "zz-thing")
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(configure(), FakeHost(), resume=folder)


def test_another_kind_of_model_is_an_error(configure: Configure) -> None:
    folder = stopped(configure(), 5)
    with pytest.raises(TrainingError, match="cannot continue with this model"):
        train(configure(), FakeHost(family=SDXL), resume=folder)


def test_another_number_of_vectors_is_an_error(configure: Configure) -> None:
    folder = stopped(configure(num_vectors_per_token=1), 5)
    with pytest.raises(TrainingError, match="another number of vectors"):
        train(configure(num_vectors_per_token=2), FakeHost(), resume=folder)


def test_changed_pictures_are_told(configure: Configure, pictures: Path) -> None:
    folder = stopped(configure(), 5)
    gone = next(iter(pictures.glob("*.png")))
    gone.unlink()
    log = Log()
    train(configure(), FakeHost(), log, resume=folder)
    (told,) = log.of(Notice)
    assert told.what.endswith(f"not those that it had: 1 removed: {gone.name}")


def test_a_run_from_a_weights_file_goes_on_without_that_file(
    configure: Configure, tmp_path: Path
) -> None:
    start = train(configure(token_string="zz-a", num_vectors_per_token=2), FakeHost())
    config = configure(weights=str(start), initial_step=0)
    folder = stopped(config, 5)
    start.unlink()
    path = train(config, FakeHost(), resume=folder)
    assert (read_embedding(path).step, read_embedding(path).count) == (10, 2)


def test_first_previews_are_not_made_again(configure: Configure) -> None:
    config = configure(sample_every_n_steps=100)
    folder = stopped(config, 5)
    images = sorted(path.name for path in (folder.path / "images").iterdir())
    train(config, FakeHost(), resume=folder)
    assert sorted(path.name for path in (folder.path / "images").iterdir()) == images


# --- version 0.1 ------------------------------------------------------------------------------

V01 = Path(__file__).parents[1] / "golden" / "v01"
"""Run folders that version 0.1 left after 5 of 10 steps, and the file that it made in one go.

Its states have the prefix "vectors." for the trained tensors and no memory of groups."""
V01_SETTINGS = {
    "num_vectors_per_token": 2,
    "latent_sampling_method": "random",
    "learning_rate": "0.01:7, 0.002",
    "lr_scheduler": "cosine",
    "gradient_accumulation_steps": 2,
}


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_run_of_version_0_1_continues_to_the_same_vectors(
    configure: Configure, tmp_path: Path, family: Any
) -> None:
    """Processors differ in the last digits of the vectors, and in the hash that is made of them:
    where this one's differ from the saved state, the final ones are compared but for these."""
    shutil.copytree(V01 / family, tmp_path / "log" / "day" / "zz-thing")
    log, folder = Log(), RunFolder.find("latest", tmp_path / "log", "zz-thing")
    host = FakeHost(family=FAMILIES[family])
    here = latest_state(stopped(configure(**V01_SETTINGS), 5, host).state)
    there = latest_state(folder.state)
    output, dataset = str(tmp_path / "embeddings"), configure().data.train_data_dir
    typed = {"output_dir": output, "train_data_dir": dataset, "overwrite": True}
    config = make_config(TrainConfig, typed, folder.read_settings()["train"])
    path = train(config, host, log, resume=folder)
    assert log.steps == [6, 7, 8, 9, 10]
    assert [step for step, _, _ in folder.losses()] == list(range(1, 11))
    found, expected = read_embedding(path), read_embedding(V01 / family / "finished.safetensors")
    assert found.vectors.keys() == expected.vectors.keys()
    for key, rows in expected.vectors.items():
        assert torch.allclose(found.vectors[key], rows, rtol=0, atol=5e-5)
    if all(torch.equal(here.tensors[key], rows) for key, rows in there.tensors.items()):
        assert all(torch.equal(found.vectors[key], rows) for key, rows in expected.vectors.items())
        # later versions note more than 0.1 did
        assert expected.metadata.items() <= found.metadata.items()


def test_the_loss_that_is_shown_continues(configure: Configure, tmp_path: Path) -> None:
    def shown(log: Log) -> float | None:
        return functools.reduce(after, log, JobProgress()).loss

    whole, log = Log(), Log()
    train(configure(output_name="whole"), FakeHost(), whole)
    folder = stopped(configure(), 4)
    train(configure(), FakeHost(), log, resume=folder)
    assert log.steps == [5, 6, 7, 8, 9, 10]
    assert shown(log) == shown(whole) is not None
    assert log.of(Started)[0].loss == functools.reduce(
        smoothed, [event.loss for event in whole.of(StepDone)[:4]], None
    )
    again = Log()
    final = Path(configure().output.output_dir) / "zz-thing.safetensors"
    train(configure(weights=str(final), max_train_steps=11), FakeHost(), again)
    assert again.of(Started)[0].loss == shown(whole), "from the file alone, too"
