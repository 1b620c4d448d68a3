"""The host over the newer stand-in, in a process of its own: one can have only one `comfy`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.comfy import program

ROOT = Path(__file__).parents[2]
RUNS = {
    "contract": ["tests/contract", "-k", "comfyui-sd1"],
    "host": ["tests/comfy/host"],
    "nodes": ["tests/comfy/nodes/test_training.py", "-k", "interrupt"],
}


@pytest.mark.skipif(program.NEWER or program.is_real(), reason="runs the stand-in itself")
@pytest.mark.parametrize("run", RUNS)
def test_all_of_it_holds_with_a_newer_comfyui(run: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *RUNS[run]]
    newer = {**os.environ, "COMFYUI_STAND_IN": "0.33"}
    done = subprocess.run(command, cwd=ROOT, env=newer, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
