"""Whatever a pickle makes its reader do, it pays for in full, and before it is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from ti_core.files import pickle_machine

from .largest import PLENTY, machine
from .test_hostile_files import ROOT

NEVER_DONE = {b"P"}
"""No storage is named by a line."""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    if sys.platform != "linux":
        pytest.skip("the system does not count the memory of a part of a process")
    done = subprocess.run(
        [sys.executable, "-m", "tests.files.hostile.prices"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_nothing_takes_more_than_it_paid_for(lines: list[dict[str, Any]]) -> None:
    assert [line for line in lines if "what" in line] == []
    assert sum(line["done"] for line in lines if "done" in line) > 20_000


@pytest.mark.slow
def test_every_function_and_every_instruction_was_done_to_its_end(
    lines: list[dict[str, Any]],
) -> None:
    finished = set(next(line["finished"] for line in lines if "finished" in line))
    instructions = {repr(code) for code in pickle_machine._ACTIONS.keys() - NEVER_DONE}
    assert (instructions | machine(PLENTY)._known.keys()) - finished == set()
