"""Keys and signals while `ti train` runs: what they ask for, and the terminal afterwards."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ti_core.cli.keys import HELP, Keys
from ti_core.cli.terminal import open_terminal
from ti_core.train.control import FASTER, Control

from .test_interrupt import ROOT, SCRIPT, arguments, finish, start, wait_for_steps

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")


def events(folder: Path) -> list[dict[str, object]]:
    log = next(folder.glob("textual_inversion/*/*/events.jsonl"))
    return [json.loads(line) for line in log.read_text().splitlines()]


def wait_for(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def in_foreground(terminal: int) -> None:
    """Be a shell whose job, in a process group of its own, is what runs next: a program without a
    shell above it cannot be stopped, since nobody could continue it."""
    os.login_tty(terminal)  # type: ignore[attr-defined, unused-ignore]
    if job := os.fork():
        os.closerange(3, 1024)  # Popen waits until they are closed
        os._exit(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) & 0xFF)
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)


class OnTerminal:
    """`ti train` as a shell starts it: in the foreground of a terminal of its own."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "train", *arguments(folder), *more],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            preexec_fn=lambda: in_foreground(self.slave),
        )
        os.set_blocking(self.master, False)
        self._said = b""

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def said(self) -> str:
        try:
            while part := os.read(self.master, 65536):
                self._said += part
        except (BlockingIOError, OSError):
            pass
        return self._said.decode(errors="replace")

    def has(self, kind: str) -> Callable[[], bool]:
        def found() -> bool:
            self.said()  # or the terminal fills and the program waits
            return any(event["event"] == kind for event in events(self.folder))

        return found

    def wait(self) -> int:
        wait_for(lambda: (self.said(), self.process.poll() is not None)[1])
        return self.process.wait()

    def changed(self) -> bool:
        self.said()
        return bool(termios.tcgetattr(self.slave) != self.before)

    def send(self, number: signal.Signals) -> None:
        os.killpg(os.tcgetpgrp(self.master), number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


needs_login_tty = pytest.mark.skipif(
    not hasattr(os, "login_tty"), reason="a controlling terminal needs Python 3.11"
)


@needs_login_tty
def test_keys_pause_save_change_the_rate_and_finish(tmp_path: Path) -> None:
    run = OnTerminal(tmp_path, "--max_train_steps=5000")
    try:
        wait_for_steps(tmp_path, 5)
        run.type("p")
        wait_for(run.has("Paused"))
        assert "p pause and continue" in run.said()
        run.type("s+xyz")
        wait_for(run.has("RateChanged"))
        run.type("p")
        wait_for(run.has("Resumed"))
        run.type("f")
        assert run.wait() == 0
        kinds = [event["event"] for event in events(tmp_path)]
        assert kinds[-1] == "Finished"
        rates = {event["rate"] for event in events(tmp_path) if event["event"] == "StepDone"}
        assert rates <= {0.005, 0.005 * FASTER}
        assert list(tmp_path.glob("textual_inversion/*/*/embeddings/my-cat-*.safetensors"))
        assert not run.changed()
        assert "continue with: ti train --resume" in run.said()
    finally:
        run.close()


@pytest.mark.slow
@needs_login_tty
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGQUIT])
def test_the_terminal_is_left_as_it_was_found(tmp_path: Path, sent: signal.Signals) -> None:
    run = OnTerminal(tmp_path, "--max_train_steps=5000")
    try:
        wait_for_steps(tmp_path, 5)
        wait_for(run.changed)
        run.type("\x1a")  # Ctrl-Z
        wait_for(lambda: not run.changed())
        run.send(signal.SIGCONT)
        wait_for(run.changed)
        run.send(sent)
        run.wait()
        assert not run.changed()
    finally:
        run.close()


def test_user_signals_save_and_preview_and_never_end_the_run(tmp_path: Path) -> None:
    process = start(tmp_path, *arguments(tmp_path))
    wait_for_steps(tmp_path, 12)
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGUSR2)
    assert finish(process)[0] == 0
    for folder in ("embeddings", "images"):
        (made,) = tmp_path.glob(f"textual_inversion/*/*/{folder}/my-cat-*")
        assert 12 <= int(made.stem[-6:]) < 60


def test_a_signal_before_the_first_step_does_not_end_the_program(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from ti_core.cli.interrupt import wishes_by_signals\n"
        "said = []\n"
        "with wishes_by_signals(lambda: said.append(1), lambda: said.append(2)):\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    os.kill(os.getpid(), signal.SIGUSR2)\n"
        "assert said == [1, 2], said\n"
        "assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT)})


def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert open_terminal() is None
    said: list[str] = []
    with Keys(Control(), said.append):
        pass
    assert said == []


def test_each_key_asks_for_what_the_help_says() -> None:
    control, said = Control(), list[str]()
    keys = Keys(control, said.append)
    keys.press("P")
    assert control.paused
    keys.press("p")
    assert not control.paused
    for key in "sv+?x":
        keys.press(key)
    assert list(control.requests()) == ["save", "preview"]
    assert control.rate_change() == FASTER
    keys.press("-")
    keys.press("e")
    assert not control.finishing
    control.epoch_ended()
    assert control.finishing
    keys.press("f")
    assert control.finishing
    assert said[-4] == HELP
    assert len(said) == 9
