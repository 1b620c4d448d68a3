"""A learnable that is not an embedding goes through the same loop, files and states."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.errors import DataError, TrainingError
from ti_core.events import Notice
from ti_core.families import SDXL
from ti_core.hosts.fake import FakeHost
from ti_core.options import make_config, to_dict
from ti_core.train.config import TrainConfig
from ti_core.train.events import Finished, PreviewReady, Saved, Started
from ti_core.train.learnable import ExtraNetworks
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.preflight import checkup_input
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import latest_state

from .inversion import fixed_loss
from .residual import ResidualTrainConfig, read_residual
from .spoiled import Log, SpoiledHost, StopAfter

ROOT = Path(__file__).parents[2]
Build = Callable[..., ResidualTrainConfig]
KILLED_RUN = """
import json, os, signal, sys
import torch
from tests.train.residual import ResidualTrainConfig
from ti_core.hosts.fake import FakeHost
from ti_core.options import from_dict
from ti_core.train.events import StepDone
from ti_core.train.loop import train

torch.set_num_threads(1)

def listen(event):
    if isinstance(event, StepDone) and event.step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

train(from_dict(ResidualTrainConfig, json.loads(sys.argv[1])), FakeHost(), listen)
"""


@pytest.fixture
def build(tmp_path: Path, pictures: Path) -> Build:
    """Settings of a run of ten steps on captions that name no word."""

    def made(**changes: object) -> ResidualTrainConfig:
        values = {
            "residual_name": "warm",
            "train_data_dir": str(pictures),
            "prompt_template": "captions",
            "output_dir": str(tmp_path / "residuals"),
            "logging_dir": str(tmp_path / "log"),
            "max_train_steps": 10,
            "sample_every_n_steps": 0,
            "save_every_n_steps": 0,
            "skip_checkup": True,
            **changes,
        }
        return make_config(ResidualTrainConfig, values)

    return made


def test_it_is_trained_written_and_measured(build: Build) -> None:
    log, host = Log(), FakeHost()
    path = train(build(save_every_n_steps=5, learning_rate="0.01"), host, log)
    assert path.name == "warm.safetensors"
    assert host.saved == []
    started, finished = log.of(Started)[0], log.of(Finished)[0]
    assert (started.size, log.of(Notice)) == ("48 number(s)", [Notice("info", "a residual begins")])
    assert finished.measures.keys() == {"down", "up"}
    assert all(started.measures[key] != finished.measures[key] for key in ("down", "up"))
    copies = [event.path for event in log.of(Saved) if event.kind == "copy"]
    assert [copy.parent.name for copy in copies] == ["residuals", "residuals"]
    assert copies[1].read_bytes() == path.read_bytes()
    assert [each.name for each in path.parent.iterdir()] == [path.name], "no notes are beside it"


def test_it_learns(build: Build) -> None:
    config = build(
        max_train_steps=150, learning_rate="0.02", train_batch_size=2, rank=4, overwrite=True
    )
    trained = read_residual(train(config, FakeHost())).extra_networks()
    assert fixed_loss(config, trained) < 0.97 * fixed_loss(config, ExtraNetworks())


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_run_continues_bit_for_bit(build: Build) -> None:
    settings = {"max_train_steps": 30, "save_state_every_n_steps": 7, "learning_rate": "0.01"}
    config = build(**settings)
    arguments = [json.dumps(to_dict(config)), "17"]
    run = subprocess.run([sys.executable, "-c", KILLED_RUN, *arguments], cwd=ROOT, check=False)
    assert run.returncode == -signal.SIGKILL
    folder, log = (
        RunFolder.find("latest", Path(config.output.logging_dir), "warm", "residual"),
        Log(),
    )
    assert latest_state(folder.state).tensors.keys() == {"down", "up"}
    resumed = train(config, FakeHost(), log, resume=folder).read_bytes()
    assert log.steps == list(range(15, 31))
    assert resumed == train(build(**settings, overwrite=True), FakeHost()).read_bytes()


def test_previews_show_it(build: Build) -> None:
    log, host = Log(), FakeHost()
    config = build(sample_every_n_steps=10, sample_prompts="a disc", learning_rate="0.05")
    path = train(config, host, log)
    before, after = (Image.open(event.path).tobytes() for event in log.of(PreviewReady))
    assert before != after
    (request,) = make_plan(build(overwrite=True, sample_prompts="a disc"), host).previews
    with host.session() as session:
        shown = session.preview(request, {}, read_residual(path).changed)[0]
    assert after == shown.tobytes()


def test_nan_returns_to_the_last_state_here_too(build: Build) -> None:
    host = SpoiledHost(lambda n, output, _: output * float("nan") if n == 6 else output)
    log = Log()
    path = train(build(save_state_every_n_steps=4), host, log)
    assert log.steps == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10]
    assert all(torch.isfinite(each).all() for each in read_residual(path).tensors.values())


def test_it_does_not_continue_on_another_model(build: Build) -> None:
    log = Log()
    train(build(), FakeHost(), log, StopAfter(log, 4))
    folder = RunFolder(log.of(Started)[0].run_folder)
    with pytest.raises(TrainingError, match="another model"):
        train(build(), FakeHost(family=SDXL), resume=folder)


def test_prompts_need_no_trigger_but_those_of_an_embedding_do(build: Build) -> None:
    found = checkup_input(build(rank=3))
    assert (found.name, found.vectors) == ("", 0)
    assert make_plan(build(skip_checkup=False), FakeHost()).dataset.template_name == "captions"
    values = to_dict(build())
    del values["residual"]
    embedding = make_config(TrainConfig, {"token_string": "zz"}, values)
    with pytest.raises(DataError, match="does not hold"):
        make_plan(embedding, FakeHost())
