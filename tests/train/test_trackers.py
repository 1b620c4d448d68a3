"""TensorBoard and Weights & Biases: what they get, and that they can end no training."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ti_core.errors import ConfigError
from ti_core.events import Notice
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train import trackers
from ti_core.train.config import BaseTrainConfig
from ti_core.train.events import Finished, Started, StepDone, Validated
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder

from ..conftest import Configure
from .spoiled import Log, StopAfter

HAS_TENSORBOARD = importlib.util.find_spec("tensorboard") is not None


class Writer:
    """Stands in for a tracker."""

    def __init__(self, config: BaseTrainConfig, folder: RunFolder, step: int) -> None:
        self.begun, self.closed = step, False
        self.logged: list[tuple[int, dict[str, float]]] = []
        WRITERS.append(self)

    def log(self, values: Mapping[str, float], step: int) -> None:
        if self.logged and FAULTS:
            raise ConnectionError(FAULTS[0])
        self.logged.append((step, dict(values)))

    def close(self) -> None:
        self.closed = True


WRITERS: list[Writer] = []
FAULTS: list[str] = []


@pytest.fixture(autouse=True)
def _clean() -> None:
    WRITERS.clear()
    FAULTS.clear()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: object())
    for name in ("tensorboard", "wandb"):
        monkeypatch.setitem(trackers.KINDS, name, Writer)


@pytest.mark.parametrize(("chosen", "count"), [("tensorboard", 1), ("wandb", 1), ("all", 2)])
def test_loss_and_rate_of_every_step_and_the_mean_of_each_epoch(
    installed: None, configure: Configure, chosen: str, count: int
) -> None:
    log = Log()
    train(configure(log_with=chosen, learning_rate="0.005:5, 1e-3"), FakeHost(), log)
    assert len(WRITERS) == count
    steps = log.of(StepDone)
    for writer in WRITERS:
        assert [step for step, _ in writer.logged] == list(range(1, 11))
        assert [each["loss"] for _, each in writer.logged] == [event.loss for event in steps]
        assert [each["lr"] for _, each in writer.logged] == [event.rate for event in steps]
        means = {step: each["loss/epoch"] for step, each in writer.logged if len(each) > 2}
        assert means == {6: pytest.approx(sum(event.loss for event in steps[:5]) / 5)}
        assert writer.closed


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_validations_have_kohya_s_name(installed: None, configure: Configure, share: float) -> None:
    log = Log()
    settings = {"validate_every_n_steps": 5, "validation_split": share}
    train(configure(log_with="wandb", **settings), FakeHost(), log)
    logged = [(step, each) for step, each in WRITERS[0].logged if "loss" not in each]
    expected = [
        (one.step, {"loss/validation/step_average": one.held_out_loss,
                    "loss/validation/trained_pictures": one.loss} if share else
                   {"loss/validation/step_average": one.loss})
        for one in log.of(Validated)
    ]  # fmt: skip
    assert logged == expected
    assert len(logged) == 3


def test_nothing_is_opened_unless_it_is_chosen(configure: Configure) -> None:
    train(configure(), FakeHost())
    assert WRITERS == []


def test_a_tracker_that_fails_is_told_once_and_training_continues(
    installed: None, configure: Configure
) -> None:
    FAULTS.append("the network is down")
    log = Log()
    path = train(configure(log_with="wandb"), FakeHost(), log)
    assert [(n.what, n.why) for n in log.of(Notice)] == [
        ("wandb gets nothing more of this run", "the network is down")
    ]
    assert read_embedding(path).step == 10
    assert len(WRITERS[0].logged) == 1


def test_losses_are_the_same_with_and_without(installed: None, configure: Configure) -> None:
    one, two = Log(), Log()
    train(configure(log_with="all"), FakeHost(), one)
    train(configure(overwrite=True), FakeHost(), two)
    assert [e.loss for e in one.of(StepDone)] == [e.loss for e in two.of(StepDone)]


@pytest.mark.parametrize("chosen", ["tensorboard", "wandb", "all"])
def test_a_package_that_is_missing_is_told_before_anything_is_written(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: str
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="is not installed; pip install"):
        train(configure(log_with=chosen), FakeHost())
    assert not (tmp_path / "log").exists()


def test_wandb_gets_project_name_and_settings(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: dict[str, Any] = {}
    run = SimpleNamespace(log=lambda values, step: None, finish=lambda: begun.update(over=True))
    module = SimpleNamespace(init=lambda **given: begun.update(given) or run)
    monkeypatch.setitem(__import__("sys").modules, "wandb", module)
    config = configure(log_with="wandb", log_tracker_name="cats", seed=7)
    tracker = trackers.WandB(config, RunFolder(tmp_path), 0)
    tracker.log({"loss": 1.0}, 1)
    tracker.close()
    assert (begun["project"], begun["name"], begun["over"]) == ("cats", "zz-thing", True)
    assert begun["config"]["seed"] == 7
    assert "train_data_dir" not in begun["config"], "paths stay here"


@pytest.mark.skipif(not HAS_TENSORBOARD, reason="tensorboard is not installed")
def test_the_real_tensorboard_reads_what_was_written(configure: Configure) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log, config = Log(), configure(log_with="tensorboard", save_state_every_n_steps=1)
    train(config, FakeHost(), log, StopAfter(log, 6))
    folder = RunFolder(log.of(Started)[0].run_folder)
    train(config, FakeHost(), log, resume=folder)
    found = EventAccumulator(str(folder.path / trackers.FOLDER))
    found.Reload()
    losses = {each.step: each.value for each in found.Scalars("loss")}
    assert losses == {e.step: pytest.approx(e.loss) for e in log.of(StepDone)}
    assert set(found.Tags()["scalars"]) == {"loss", "lr", "loss/epoch"}
    assert log.of(Finished)[-1].step == 10
