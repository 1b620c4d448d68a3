"""Runs that can be resumed are found, newest first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ti_core.hosts.fake import FakeHost
from ti_core.train.events import Started
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder
from ti_core.train.runs import resumable
from ti_core.train.state import list_states

from ..conftest import Configure
from .spoiled import Log, StopAfter


def stopped(configure: Configure, steps: int, age: float = 0.0, **changes: object) -> RunFolder:
    log = Log()
    train(configure(overwrite=True, **changes), FakeHost(), log, StopAfter(log, steps))
    folder = RunFolder(log.of(Started)[0].run_folder)
    newest = list_states(folder.state)[-1]
    os.utime(newest, (1e9 - age, 1e9 - age))
    return folder


def test_runs_are_listed_newest_first_with_step_and_picture(
    configure: Configure, tmp_path: Path
) -> None:
    old = stopped(configure, 4, age=50, sample_every_n_steps=2)
    new = stopped(configure, 3, age=20, token_string="zz-other")
    stopped(configure, 10, token_string="zz-done")
    one, two = resumable(tmp_path / "log")
    assert (one.folder.path, one.name, one.step, one.max_steps) == (new.path, "zz-other", 3, 10)
    assert (one.saved, one.preview) == (1e9 - 20, None)
    assert (two.folder.path, two.step) == (old.path, 4)
    assert two.preview == old.image_path("zz-thing", 4, 0)


def test_a_run_ends_where_its_schedule_does(configure: Configure, tmp_path: Path) -> None:
    stopped(configure, 10, learning_rate="0.005:6")
    going = stopped(configure, 3, token_string="zz-other", learning_rate="0.005:7")
    (found,) = resumable(tmp_path / "log")
    assert (found.folder.path, found.max_steps) == (going.path, 7)


def test_only_those_of_a_name_are_listed_when_asked_for(
    configure: Configure, tmp_path: Path
) -> None:
    stopped(configure, 4)
    other = stopped(configure, 3, token_string="zz-other")
    assert [run.folder.path for run in resumable(tmp_path / "log", "zz-other")] == [other.path]
    assert resumable(tmp_path / "nowhere") == []


@pytest.mark.parametrize("content", ["{", "[]", '{"train": {"embedding": {}, "optimizer": 7}}'])
def test_a_wreck_is_passed_over(configure: Configure, tmp_path: Path, content: str) -> None:
    wreck = stopped(configure, 4)
    good = stopped(configure, 3)
    (wreck.path / "settings.json").write_text(content)
    assert [run.folder.path for run in resumable(tmp_path / "log")] == [good.path]
