"""Signals: the run saves, says how to go on, and going on gives the same file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).with_name("fake_ti.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _a_terminal_that_closes_is_told() -> Iterator[None]:
    """Processes inherit that SIGHUP is ignored, and these tests may run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "train", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, standard error)"""
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def wait_for_steps(folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for log in folder.glob("textual_inversion/*/*/events.jsonl"):
            if log.read_text().count('"StepDone"') >= count:
                return
        time.sleep(0.01)
    raise AssertionError("training did not start")


def arguments(folder: Path) -> list[str]:
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (64, 64), (70 * number, 20, 90)).save(pictures / f"{number}.png")
    return [
        "--token_string=my-cat", "--train_data_dir=pictures", "--max_train_steps=60",
        "--sample_every_n_steps=0", "--save_state_every_n_steps=5",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert finish(start(folder, *arguments(folder)))[0] == 0
    return (folder / "embeddings/my-cat.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_interrupted_and_resumed_is_the_same_as_never_interrupted(
    tmp_path: Path, whole: bytes, sent: signal.Signals, code: int
) -> None:
    process = start(tmp_path, *arguments(tmp_path))
    wait_for_steps(tmp_path, 12)
    process.send_signal(sent)
    given, err = finish(process)
    assert given == code
    if sent != signal.SIGKILL:
        assert "continue with: ti train --resume textual_inversion" in err
        assert (tmp_path / "embeddings/my-cat.safetensors").is_file()

    assert finish(start(tmp_path, "--resume", "latest"))[0] == 0
    assert (tmp_path / "embeddings/my-cat.safetensors").read_bytes() == whole


def test_a_terminal_that_goes_away_does_not_keep_a_run_from_being_saved(tmp_path: Path) -> None:
    """Whatever is written to it by then is an error."""
    import pty

    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "train", *arguments(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=lambda: os.login_tty(terminal) if hasattr(os, "login_tty") else os.setsid(),
    )
    os.close(terminal)
    os.set_blocking(master, False)
    wait_for_steps(tmp_path, 12)
    os.close(master)  # the last one: the system sends SIGHUP
    if not hasattr(os, "login_tty"):  # before Python 3.11 it is not a controlling terminal
        process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=120) == 129
    assert (tmp_path / "embeddings/my-cat.safetensors").is_file()


@pytest.mark.slow
def test_under_nohup_a_closed_terminal_does_not_matter(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(tmp_path, *arguments(tmp_path))
        wait_for_steps(tmp_path, 5)
        process.send_signal(signal.SIGHUP)
        assert finish(process)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)
