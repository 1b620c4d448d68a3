"""Pause, save now, preview now, finish."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ti_core.events import Event
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.control import Control
from ti_core.train.events import Finished, Paused, PreviewReady, Resumed, Saved, StepDone
from ti_core.train.loop import train

from ..conftest import Configure
from .spoiled import Log


class Told(Log):
    """A listener that tells the control something when an event comes."""

    def __init__(self, wishes: Callable[[Event], None]) -> None:
        super().__init__()
        self.wishes = wishes

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self.wishes(event)


def at_step(step: int, *wishes: Callable[[], None]) -> Told:
    """Wishes that are told after an update."""

    def tell(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == step:
            for wish in wishes:
                wish()

    return Told(tell)


def test_saving_now_leaves_a_copy_and_a_state_of_that_very_step(configure: Configure) -> None:
    control = Control()
    log = at_step(4, control.save_now)
    train(configure(), FakeHost(), log, control)
    assert [(e.step, e.kind) for e in log.of(Saved)] == [(4, "state"), (4, "copy"), (10, "state")]
    copy = next(e.path for e in log.of(Saved) if e.kind == "copy")
    assert read_embedding(copy).step == 4


def test_a_preview_can_be_asked_for_in_a_run_without_previews(configure: Configure) -> None:
    control = Control()
    log = at_step(3, control.preview_now, control.preview_now)
    train(configure(sample_every_n_steps=0), FakeHost(), log, control)
    assert [event.step for event in log.of(PreviewReady)] == [3]


def test_finishing_keeps_what_is_there(configure: Configure) -> None:
    control = Control()
    log = at_step(6, control.finish)
    assert read_embedding(train(configure(), FakeHost(), log, control)).step == 6
    assert log.of(Finished)[0].reason == "stopped"


def test_a_pause_makes_no_update_but_saves_and_shows(configure: Configure) -> None:
    control = Control()

    def tell(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 5:
            control.pause()
        if isinstance(event, Paused):
            control.preview_now()
            threading.Timer(0.3, control.go_on).start()

    log = Told(tell)
    train(configure(), FakeHost(), log, control)
    kinds = [(type(e), e.step) for e in log if isinstance(e, (Paused, PreviewReady, Resumed))]
    assert kinds == [(Paused, 5), (PreviewReady, 5), (Resumed, 5)]
    assert log.steps == list(range(1, 11))


def test_a_paused_run_can_be_finished(configure: Configure) -> None:
    control = Control()

    def tell(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 5:
            control.pause()
        if isinstance(event, Paused):
            control.finish()

    log = Told(tell)
    assert read_embedding(train(configure(), FakeHost(), log, control)).step == 5
    assert log.of(Finished)[0].reason == "stopped"


@pytest.mark.parametrize("wish", ["save_now", "preview_now"])
def test_what_is_asked_for_does_not_change_the_embedding(
    configure: Configure, tmp_path: Path, wish: str
) -> None:
    control = Control()
    left_alone = train(configure(), FakeHost()).read_bytes()
    log = at_step(4, getattr(control, wish))
    asked = train(configure(overwrite=True), FakeHost(), log, control)
    assert asked.read_bytes() == left_alone
