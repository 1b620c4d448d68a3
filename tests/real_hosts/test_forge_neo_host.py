"""A real Forge Neo, with its session objects in this suite's hands.

`FORGE_NEO_PATH` is its folder, `FORGE_NEO_PYTHON` its interpreter with pytest and hypothesis in it.
See test_forge_host.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .contract import keeps_contract
from .curve import STEPS, by_command_line, in_program
from .lora import tell

PYTHON = os.environ.get("FORGE_NEO_PYTHON", sys.executable)
pytestmark = pytest.mark.skipif("FORGE_NEO_PATH" not in os.environ, reason="needs FORGE_NEO_PATH")


@pytest.mark.parametrize(
    "kind", ["sd1", "sd1-inpaint", "sd1-half", "sdxl", "sdxl-zsnr", "sdxl-fp8"]
)
def test_the_host_keeps_the_contract_on_the_real_program(kind: str) -> None:
    keeps_contract("forge_neo", PYTHON, kind)


@pytest.mark.parametrize("kind", ["sd1", "sd1-v", "sdxl", "sdxl-v", "sdxl-zsnr"])
def test_the_same_seed_gives_the_same_losses_as_the_command_line(kind: str, tmp_path: Path) -> None:
    here = in_program("forge_neo", PYTHON, kind, tmp_path / kind)
    there = by_command_line(tmp_path / kind)
    assert len(here) == len(there) == STEPS
    assert here == pytest.approx(there, rel=1e-6)


@pytest.mark.parametrize("online", [False, True])
def test_a_lora_is_not_trained_with_and_is_there_for_the_next_picture(
    online: bool, tmp_path: Path
) -> None:
    told = tell(PYTHON, tmp_path / "run", online)
    assert told["with_lora"] == told["plain"]
    assert len(told["plain"]) == STEPS
    assert len(set(told["lora"])) == len(set(told["bare"])) == 1
    assert told["lora"][0] != told["bare"][0]
