"""The last part of the alive check: what has a gradient must move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ti_core.errors import NotMovingError
from ti_core.hosts.fake import FakeHost
from ti_core.train.events import Started, StepDone
from ti_core.train.loop import train
from ti_core.train.movement import UPDATES, Movement
from ti_core.train.optimizers import OPTIMIZERS, OptimizerEntry
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import latest_state

from ..conftest import Configure
from .spoiled import Log


class Idle(torch.optim.SGD):
    """Takes every step and changes nothing, as a broken fused kernel does."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters, lr=0.0)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Nothing."""


def test_an_optimiser_that_does_nothing_ends_the_run(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPTIMIZERS, "AdamW", OptimizerEntry(Idle, state_size=0))
    log, config = Log(), configure(max_train_steps=40)
    with pytest.raises(NotMovingError, match="clip_l did not move in 20 steps") as caught:
        train(config, FakeHost(), log)
    assert "the optimizer does nothing" in caught.value.why
    assert "`optimizer_type`" in caught.value.fix
    assert len(log.of(StepDone)) == UPDATES
    state = latest_state(RunFolder(log.of(Started)[0].run_folder).state)
    assert state.step == UPDATES
    assert not list(Path(config.output.output_dir).glob("*.safetensors"))


def test_a_rate_that_rounding_swallows_ends_the_run(configure: Configure) -> None:
    config = configure(max_train_steps=40, learning_rate="1e-30")
    with pytest.raises(NotMovingError, match=r"\(1e-30\) is lost in rounding"):
        train(config, FakeHost())


def test_steps_at_a_rate_of_zero_do_not_count() -> None:
    """As in a warm-up."""
    leaf = torch.zeros(2)
    movement = Movement(["a"], [leaf], "AdamW")
    for _ in range(UPDATES):
        movement.count(0.0)
    movement.require()
    for _ in range(UPDATES):
        movement.count(0.1)
    with pytest.raises(NotMovingError, match="a did not move"):
        movement.require()


def test_one_tensor_that_stays_is_enough_and_a_return_begins_again() -> None:
    leaves = [torch.zeros(2), torch.zeros(2)]
    movement = Movement(["a", "b"], leaves, "AdamW")
    leaves[0].add_(1)
    for _ in range(UPDATES - 1):
        movement.count(0.1)
    movement.begin()
    movement.count(0.1)
    movement.require()
    leaves[0].add_(1)
    for _ in range(UPDATES):
        movement.count(0.1)
    with pytest.raises(NotMovingError, match=r"^b did not move"):
        movement.require()
    movement.require()  # told once


def test_a_long_run_that_moves_is_left_alone(configure: Configure) -> None:
    log = Log()
    train(configure(max_train_steps=UPDATES + 5), FakeHost(), log)
    assert len(log.of(StepDone)) == UPDATES + 5
