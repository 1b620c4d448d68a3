"""A run is killed at random moments, with every optimiser that is installed, and continues."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ti_core.train.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize(
    ("optimizer", "rounds"),
    [("DTI", 3), *(pytest.param(name, 50, marks=pytest.mark.slow) for name in OPTIMIZERS)],
)
def test_a_run_that_is_killed_at_any_moment_continues_bit_for_bit(
    optimizer: str, rounds: int, tmp_path: Path
) -> None:
    package = OPTIMIZERS[optimizer].package  # type: ignore[index]
    if package and not importlib.util.find_spec(package):
        pytest.skip(f"{package} is not installed")
    command = [sys.executable, "-m", "tests.train.killed_anywhere", optimizer, str(rounds)]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["killed"]) > rounds / 2, "most runs were over before they were killed"
    assert (found["different"], found["incomplete"], found["unreadable"]) == ([], [], [])
