"""A real AUTOMATIC1111, with its session objects in this suite's hands.

`A1111_PATH` is its folder, `A1111_PYTHON` its interpreter with pytest and hypothesis in it. Every
part has a process of its own, as one can have only one `modules`; see tests/webui/real_a1111.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .contract import keeps_contract
from .curve import STEPS, Learnable, by_command_line, in_program

PYTHON = os.environ.get("A1111_PYTHON", sys.executable)
pytestmark = pytest.mark.skipif("A1111_PATH" not in os.environ, reason="needs A1111_PATH")


@pytest.mark.parametrize("kind", ["sd1", "sd1-inpaint", "sd2", "sd2-v", "sdxl"])
def test_the_host_keeps_the_contract_on_the_real_program(kind: str) -> None:
    keeps_contract("a1111", PYTHON, kind)


@pytest.mark.parametrize(
    ("kind", "learnable"),
    [
        *((kind, "embedding") for kind in ("sd1", "sd2", "sd2-v", "sdxl")),
        *((kind, "hypernetwork") for kind in ("sd1", "sdxl")),
    ],
)
def test_the_same_seed_gives_the_same_losses_as_the_command_line(
    kind: str, learnable: Learnable, tmp_path: Path
) -> None:
    here = in_program("a1111", PYTHON, kind, tmp_path / kind, learnable)
    there = by_command_line(tmp_path / kind, learnable)
    assert len(here) == len(there) == STEPS
    assert here == pytest.approx(there, rel=1e-4)
