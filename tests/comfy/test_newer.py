"""The host over the newer stand-in, in a process of its own: one can have only one `comfy`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.comfy import program

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/contract", "tests/comfy/host", "tests/comfy/nodes/test_training.py")
"""One process runs what is wanted of all of them: to begin takes as long as the tests."""
OF_NODES = "(nodes and interrupt) or (host and not contract)"


@pytest.mark.skipif(program.NEWER or program.is_real(), reason="runs the stand-in itself")
@pytest.mark.parametrize(
    "contract",
    [
        "sd1 and not lora and not inpaint",
        pytest.param("sd1", marks=pytest.mark.slow),
    ],
)
def test_all_of_it_holds_with_a_newer_comfyui(contract: str) -> None:
    wanted = f"(contract and comfyui-{contract}) or {OF_NODES}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FOLDERS]
    command += ["-k", wanted]
    newer = {**os.environ, "COMFYUI_STAND_IN": "0.33"}
    done = subprocess.run(command, cwd=ROOT, env=newer, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
