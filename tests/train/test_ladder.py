"""Memory runs out on purpose: the run goes down its ladder, and learns the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.errors import FileError, HostMemoryError
from ti_core.events import Notice
from ti_core.families import SDXL
from ti_core.files.reading import read_embedding
from ti_core.port.session import Conditioning
from ti_core.train.ladder import Savings
from ti_core.train.loop import train
from ti_core.train.state import latest_state, read_state, save_state

from ..conftest import Configure
from .spoiled import Log, SpoiledHost, StopAfter
from .test_loop import run_folder

BATCH = 4


def small(rung: int) -> Callable[[int, Tensor, Conditioning], Tensor]:
    """A device on which step 3 fails until the run has gone `rung` rungs down."""
    failed = 0

    def change(number: int, output: Tensor, _: Conditioning) -> Tensor:
        nonlocal failed
        if number >= 2 and failed < rung:
            failed += 1
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return output

    return change


def vectors(path: Path) -> Tensor:
    return torch.cat([rows.flatten() for rows in read_embedding(path).vectors.values()])


def told(log: Log) -> list[str]:
    return [event.what for event in log.of(Notice) if "memory ran out" in event.what]


@pytest.fixture
def settings(configure: Configure) -> Callable[..., Any]:
    """Six steps of four pictures, whose captions and masks differ."""
    base = {"max_train_steps": 6, "train_batch_size": BATCH, "learning_rate": "0.05"}
    return lambda **changes: configure(**{**base, **changes}, overwrite=True)


SAVINGS = [
    Savings(checkpointing=True),
    Savings(checkpointing=True, pictures=2),
    Savings(checkpointing=True, pictures=1),
    Savings(checkpointing=True, pictures=1, text_encoder=True),
]


@pytest.mark.parametrize("rung", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3)), 4])
def test_each_rung_makes_the_same_step_and_is_told_and_saved(
    settings: Callable[..., Any], rung: int
) -> None:
    plain = vectors(train(settings(), SpoiledHost(family=SDXL)))
    log = Log()
    found = vectors(train(settings(), SpoiledHost(small(rung), family=SDXL), log))
    assert len(told(log)) == rung
    assert all("at step 3" in what for what in told(log))
    assert log.steps == [1, 2, 3, 4, 5, 6]
    assert Savings.read(latest_state(run_folder(log).state).savings) == SAVINGS[rung - 1]
    if rung == 1:
        assert torch.equal(found, plain)
    else:
        assert torch.allclose(found, plain, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_below_the_last_rung_the_run_ends_with_all_that_was_learned(
    settings: Callable[..., Any],
) -> None:
    log = Log()
    with pytest.raises(HostMemoryError):
        train(settings(), SpoiledHost(small(99)), log)
    assert len(told(log)) == len(SAVINGS)
    assert latest_state(run_folder(log).state).step == 2


@pytest.mark.slow
def test_a_resumed_run_stays_on_its_rung_and_makes_the_same_file(
    settings: Callable[..., Any],
) -> None:
    whole = train(settings(), SpoiledHost(small(2)), Log()).read_bytes()
    log = Log()
    train(settings(), SpoiledHost(small(2)), log, StopAfter(log, 4))
    again = Log()
    path = train(settings(), SpoiledHost(), again, resume=run_folder(log))
    assert path.read_bytes() == whole
    assert not told(again)
    assert again.steps == [5, 6]


def test_checkpointing_that_is_on_is_not_a_rung(settings: Callable[..., Any]) -> None:
    log = Log()
    train(settings(gradient_checkpointing=True), SpoiledHost(small(1)), log)
    assert "parts of 2" in told(log)[0]


def test_prompts_of_two_lengths_are_padded_as_in_the_whole_batch(
    settings: Callable[..., Any], pictures: Path
) -> None:
    next(iter(sorted(pictures.glob("*.txt")))).write_text("[name] " + "tree " * 90)
    plain = vectors(train(settings(), SpoiledHost()))
    parts = vectors(train(settings(), SpoiledHost(small(3)), Log()))
    assert torch.allclose(parts, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "savings", [{"pictures": -1}, {"pictures": True}, {"checkpointing": 1}, {"other": True}]
)
def test_savings_that_no_run_has_saved_are_damage(
    settings: Callable[..., Any], savings: dict[str, object]
) -> None:
    log = Log()
    train(settings(max_train_steps=1), SpoiledHost(), log)
    state = latest_state(run_folder(log).state)
    state.savings = savings
    path = save_state(run_folder(log).state, state)
    with pytest.raises(FileError, match="is not a saved state"):
        read_state(path)
