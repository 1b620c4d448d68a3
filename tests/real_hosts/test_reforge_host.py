"""A real reForge, with its session objects in this suite's hands.

`REFORGE_PATH` is its folder, `REFORGE_PYTHON` its interpreter with pytest and hypothesis in it.
See test_forge_host.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .contract import keeps_contract
from .curve import STEPS, by_command_line, in_program

PYTHON = os.environ.get("REFORGE_PYTHON", sys.executable)
pytestmark = pytest.mark.skipif("REFORGE_PATH" not in os.environ, reason="needs REFORGE_PATH")


@pytest.mark.parametrize("kind", ["sd1", "sd1-inpaint", "sd2-v", "sdxl"])
def test_the_host_keeps_the_contract_on_the_real_program(kind: str) -> None:
    keeps_contract("reforge", PYTHON, kind)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sd2-v", "sdxl"])
def test_the_same_seed_gives_the_same_losses_as_the_command_line(kind: str, tmp_path: Path) -> None:
    here = in_program("reforge", PYTHON, kind, tmp_path / kind)
    there = by_command_line(tmp_path / kind)
    assert len(here) == len(there) == STEPS
    assert here == pytest.approx(there, rel=1e-4)
