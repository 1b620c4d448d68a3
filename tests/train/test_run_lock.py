"""One process at a time works on a run folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ti_core.errors import HostBusyError
from ti_core.events import Event
from ti_core.hosts.fake import FakeHost
from ti_core.train import run_lock
from ti_core.train.events import Started, StepDone
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder
from ti_core.train.run_lock import is_locked, locked
from ti_core.train.runs import resumable

from ..conftest import Configure
from .spoiled import Log

ROOT = Path(__file__).parents[2]
HOLDER = """
import os, sys
from pathlib import Path
from ti_core.train.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
    os._exit(9)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the folder until it gets a line, and dies then."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    process = holder(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(HostBusyError, match=f"process {process.pid} on "), locked(tmp_path):
        pass
    process.communicate("\n")
    assert not is_locked(tmp_path), "a dead process holds nothing"
    with locked(tmp_path):
        assert is_locked(tmp_path)


def test_two_runs_of_one_process_are_kept_apart(configure: Configure) -> None:
    refused: list[str] = []
    log = Log()

    def listen(event: Event) -> None:
        log(event)
        if isinstance(event, StepDone) and event.step == 6:
            folder = RunFolder(log.of(Started)[0].run_folder)
            with pytest.raises(HostBusyError) as found:
                train(configure(), FakeHost(), resume=folder)
            refused.append(found.value.what)
            logs = Path(configure().output.logging_dir)
            assert resumable(logs) == [], "what goes on need not be resumed"

    train(configure(), FakeHost(), listen)
    assert len(refused) == 1
    assert "is already running" in refused[0]


def test_a_lock_file_without_a_process_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("process 1 on another-host, of last year")
    with locked(tmp_path):
        pass


def test_a_file_system_without_locks_is_used_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(handle: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(run_lock, "_lock", none)
    with locked(tmp_path):
        assert not is_locked(tmp_path)


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
