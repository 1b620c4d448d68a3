"""Updates whose losses are read together give what each alone gives, whatever goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.events import Event
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import Conditioning
from ti_core.train import deferred, gradients
from ti_core.train.config import BaseTrainConfig
from ti_core.train.control import Control
from ti_core.train.events import Saved, StepDone
from ti_core.train.loop import train
from ti_core.train.state import latest_state
from ti_core.train.update import Updater

from ..conftest import Configure
from . import hypernetwork_runs
from .spoiled import Change, Log, SpoiledHost
from .test_loop import run_folder

ROOT = Path(__file__).parents[2]
STEPS, BAD = 50, 26
"""All that are made, and the one where something goes wrong."""
RUNS: dict[str, dict[str, object]] = {
    "AdamW": {},
    "averages": {"ema_decay": 0.9},
    "accumulation": {"gradient_accumulation_steps": 3, "train_batch_size": 2},
    "rates": {"learning_rate": "0.01:7, 0.005:23, 0.001", "lr_warmup_steps": 5},
    "DTI": {"optimizer_type": "DTI", "learning_rate": "0.05"},
    "lengths": {"vector_length": "pull"},
    "Prodigy": {"optimizer_type": "Prodigy", "learning_rate": "1"},
    "schedule-free": {"optimizer_type": "AdamWScheduleFree"},
    "copies": {"save_every_n_steps": 7, "validate_every_n_steps": 11},
    "previews": {"sample_every_n_steps": 13, "loss_csv_every": 3},
}


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Once it is called, updates are read together; returns how many, each time: 0 where they were
    undone."""
    counts: list[int] = []
    made = Updater.updates

    def counted(self: Updater, *args: Any) -> Any:
        found = made(self, *args)
        counts.append(len(found or ()))
        return found

    def begin() -> list[int]:
        monkeypatch.setattr(deferred, "is_queued", lambda device: True)
        monkeypatch.setattr(deferred, "_SECONDS", 1e9)
        monkeypatch.setattr(Updater, "updates", counted)
        return counts

    return begin


def left(config: BaseTrainConfig, change: Change | None = None) -> dict[str, object]:
    """What a training tells and leaves: it must not depend on how numbers are read."""
    log = Log()
    path = train(config, SpoiledHost(change), log)
    folder = run_folder(log)
    state = latest_state(folder.state)
    return {
        "steps": [(event.step, event.loss, event.rate) for event in log.of(StepDone)],
        "file": path.read_bytes(),
        "table": next(folder.path.glob("*_loss.csv")).read_bytes(),
        "made": sorted(each.name for each in folder.path.glob("[ei]*/*")),
        "state": (state.step, state.loss, state.loss_scale, state.good_updates, state.rate_factor),
    }


@pytest.mark.parametrize("case", RUNS)
def test_what_is_read_together_is_what_each_alone_is(
    configure: Configure, together: Callable[[], list[int]], case: str
) -> None:
    values = {"learning_rate": "0.01", **RUNS[case]}
    config = configure(**values, max_train_steps=STEPS, overwrite=True)
    alone = left(config)
    counts = together()
    assert left(config) == alone
    assert sum(counts) > STEPS / 2, "most were read together"


def test_a_hypernetwork_is_trained_alike(
    tmp_path: Path, pictures: Path, together: Callable[[], list[int]]
) -> None:
    settings = {"max_train_steps": STEPS, "use_dropout": True, "overwrite": True}
    config = hypernetwork_runs.config(tmp_path, pictures, **settings)
    alone = left(config)
    counts = together()
    assert left(config) == alone
    assert sum(counts) > STEPS / 2


def spoiled_at(step: int, config: BaseTrainConfig, spoil: Callable[[Tensor], Tensor]) -> Change:
    """Spoils the output of this step of a training that went well until then, each time."""
    outputs: list[Tensor] = []

    def remember(number: int, output: Tensor, _: Conditioning) -> Tensor:
        outputs.append(output.detach())
        return output

    train(config, SpoiledHost(remember))
    wanted = outputs[step - 1]

    def change(number: int, output: Tensor, _: Conditioning) -> Tensor:
        return spoil(output) if torch.equal(output, wanted) else output

    return change


@pytest.fixture
def config(configure: Configure) -> BaseTrainConfig:
    return configure(max_train_steps=STEPS, learning_rate="0.01", overwrite=True)


def test_a_loss_that_is_not_finite_leads_back_to_the_same_state(
    config: BaseTrainConfig, together: Callable[[], list[int]]
) -> None:
    change = spoiled_at(BAD, config, lambda output: output * float("nan"))
    alone = left(config, change)
    counts = together()
    assert left(config, change) == alone
    assert counts.count(0) == 1
    assert alone["state"][-1] == 0.5  # type: ignore[index]


def test_overflows_halve_the_loss_scale_as_often(
    configure: Configure, together: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a scale that soon grows beyond what fp32 holds, again and again."""
    monkeypatch.setattr(gradients, "_LARGEST_SCALE", 2.0**140)
    monkeypatch.setattr(gradients, "_STEPS_TO_GROW", 5)
    values = {"max_train_steps": STEPS, "mixed_precision": "fp16", "overwrite": True}
    config = configure(**values, learning_rate="0.01")
    alone = left(config)
    counts = together()
    assert left(config) == alone
    assert counts.count(0) == 3, "in each stretch of up to twenty"


def test_memory_that_runs_out_costs_a_step_and_not_twenty(
    config: BaseTrainConfig, together: Callable[[], list[int]]
) -> None:
    def fails(output: Tensor) -> Tensor:
        failed.append(1)
        if len(failed) < 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return output

    failed: list[int] = []
    change = spoiled_at(BAD, config, fails)
    alone = left(config)
    counts, log = together(), Log()
    path = train(config, SpoiledHost(change), log)
    assert log.steps == list(range(1, STEPS + 1))
    assert counts.count(0) == 1
    assert len(failed) == 3, "together, alone, and again a rung down"
    assert path.read_bytes() == alone["file"]


class InterruptedTestError(Exception):
    """What a test raises."""


@pytest.mark.parametrize("where", ["pass", "listener"])
def test_an_error_among_them_leaves_a_run_that_can_be_resumed(
    config: BaseTrainConfig, together: Callable[[], list[int]], where: str
) -> None:
    def fails(output: Tensor) -> Tensor:
        raise InterruptedTestError

    def listener(event: Event) -> None:
        log(event)
        if where == "listener" and isinstance(event, StepDone) and event.step == BAD:
            raise InterruptedTestError

    change = spoiled_at(BAD, config, fails) if where == "pass" else None
    alone, log = left(config), Log()
    together()
    with pytest.raises(InterruptedTestError):
        train(config, SpoiledHost(change), listener)
    folder = run_folder(log)
    state = latest_state(folder.state)
    assert state.step == (20 if where == "pass" else 40)
    table = [
        line.split(",")[0] for line in next(folder.path.glob("*_loss.csv")).read_text().split()
    ]
    assert table[1:] == [str(n) for n in range(20, state.step + 1, 20)]
    assert train(config, FakeHost(), resume=folder).read_bytes() == alone["file"]


def test_a_request_ends_what_is_made_together(
    config: BaseTrainConfig, together: Callable[[], list[int]]
) -> None:
    control, log = Control(), Log()

    def asks(output: Tensor) -> Tensor:
        control.save_now()
        return output

    change = spoiled_at(BAD, config, asks)
    counts = together()
    train(config, SpoiledHost(change), log, control)
    assert counts[:2] == [19, BAD - 20]
    assert [event.step for event in log.of(Saved) if event.kind == "copy"] == [BAD]


def test_a_program_s_own_interrupt_ends_it_too(
    config: BaseTrainConfig, together: Callable[[], list[int]]
) -> None:
    """As ComfyUI's, which its control looks up."""

    class Interruptible(Control):
        @property
        def finishing(self) -> bool:
            return bool(pressed)

    pressed: list[bool] = []

    def press(output: Tensor) -> Tensor:
        pressed.append(True)
        return output

    change, log = spoiled_at(BAD, config, press), Log()
    together()
    train(config, SpoiledHost(change), log, Interruptible())
    assert log.steps == list(range(1, BAD + 1))


@pytest.mark.parametrize("family", ["sd1", pytest.param("sdxl", marks=pytest.mark.slow)])
def test_a_device_with_a_queue_is_waited_for_once_in_twenty_steps(family: str) -> None:
    """Trainings of default settings in the standalone program, on `tests/queued_device.py`."""
    command = [sys.executable, "-m", "tests.train.queued", family]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["same"], "what is read together differs"
    assert max(found["from_cpu"], found["more_from_cpu"]) < 1e-5
    assert found["alone"]["_local_scalar_dense"] == 40, "two for each of twenty steps"
    assert found["together"] == {"_to_copy": 1}
