"""Pause, save now, preview now, finish."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ti_core.errors import ConfigError
from ti_core.events import Event, Notice
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.commands import obey
from ti_core.train.control import SLOWER, Control
from ti_core.train.events import (
    Finished,
    Paused,
    PreviewReady,
    RateChanged,
    Resumed,
    Saved,
    Started,
    StepDone,
)
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import list_states, step_of

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


def test_a_run_can_end_with_its_epoch(configure: Configure) -> None:
    """As if its last step had been chosen so."""
    control = Control()
    log = at_step(1, control.finish_epoch)
    ended = train(configure(), FakeHost(), log, control)
    epoch = log.of(Started)[0].steps_per_epoch
    assert 1 < epoch < 10
    assert log.steps == list(range(1, epoch + 1))
    assert log.of(Finished)[0].reason == "stopped"
    assert read_embedding(ended).step == epoch


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


# --- the learning rate, and the file that tells a run what to do -----------------------------


def test_a_changed_rate_applies_from_the_next_update_on_and_is_in_the_state(
    configure: Configure,
) -> None:
    control = Control()
    log = at_step(4, lambda: control.ask("rate 0.5"), lambda: control.ask("slower"))
    path = train(configure(), FakeHost(), log, control)
    rates = [event.rate for event in log.of(StepDone)]
    assert rates == [0.005] * 4 + [0.005 * (0.5 * SLOWER)] * 6
    assert [(e.step, e.factor) for e in log.of(RateChanged)] == [(4, 0.5 * SLOWER)]
    assert (4, "state") in [(e.step, e.kind) for e in log.of(Saved)]
    told = json.loads(read_embedding(path).metadata["ti.config"])
    assert told["rate_changes"] == [[4, 0.5 * SLOWER]]


def test_a_run_with_a_changed_rate_is_resumed_to_the_same_bytes(configure: Configure) -> None:
    def run(stop: int | None) -> tuple[bytes, Log]:
        control = Control()

        def tell(event: Event) -> None:
            if isinstance(event, StepDone) and event.step == 4:
                control.ask("faster")
            if isinstance(event, StepDone) and event.step == stop:
                raise KeyboardInterrupt  # a kill: nothing is asked

        log: Log = Told(tell)
        config = configure(overwrite=True, save_state_every_n_steps=1000)
        try:
            return train(config, FakeHost(), log, control).read_bytes(), log
        except KeyboardInterrupt:
            folder = RunFolder(log.of(Started)[0].run_folder)
            for state in list_states(folder.state):
                if step_of(state) > 4:
                    state.unlink()
            assert [step_of(path) for path in list_states(folder.state)][-1] == 4
            log = Log()
            return train(config, FakeHost(), log, resume=folder).read_bytes(), log

    whole, told = run(None)
    cut, again = run(7)
    assert again.steps[0] == 5
    assert cut == whole
    assert [e.rate for e in told.of(StepDone)][4:] == [e.rate for e in again.of(StepDone)]


def test_opposite_changes_are_none(configure: Configure) -> None:
    control = Control()
    control.ask("faster")
    control.ask("slower")
    log = Log()
    train(configure(), FakeHost(), log, control)
    assert not log.of(RateChanged)


@pytest.mark.parametrize(
    "command",
    ["", "hurry", "save all", "rate", "rate x", "rate 0", "rate nan", "rate 1e9", "rate -1"],
)
def test_what_no_run_can_be_asked_is_an_error(command: str) -> None:
    with pytest.raises(ConfigError):
        Control().ask(command)


def test_a_file_in_the_run_folder_tells_the_run_what_to_do(configure: Configure) -> None:
    log = Log()

    def tell(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            folder = RunFolder(log.of(Started)[0].run_folder)
            folder.commands.write_text("save\nrate 0.5\nhurry\n")
        if isinstance(event, StepDone) and event.step == 6:
            RunFolder(log.of(Started)[0].run_folder).commands.write_text("finish")

    log = Told(tell)
    train(configure(), FakeHost(), log)
    folder = RunFolder(log.of(Started)[0].run_folder)
    assert not folder.commands.exists()
    assert (3, "copy") in [(e.step, e.kind) for e in log.of(Saved)]
    assert [e.step for e in log.of(RateChanged)] == [3]
    assert any("'hurry'" in notice.what for notice in log.of(Notice))
    assert log.of(Finished)[0].step == 6


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"save\n" * 1000, b"\0"])
def test_a_file_that_is_no_text_is_told_and_removed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "control"
    path.write_bytes(content)
    control = Control()
    assert [notice.level for notice in obey(path, control)] == ["warning"]
    assert not path.exists()
    assert list(control.requests()) == []


def test_a_file_that_is_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "control"
    path.write_text("")
    assert list(obey(path, Control())) == []
    assert path.exists()


def test_a_folder_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    assert list(obey(tmp_path / "control", Control())) == []
