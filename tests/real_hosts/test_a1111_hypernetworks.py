"""Hypernetworks in a real AUTOMATIC1111: its own trainer beside ours, and its next prompt.

`A1111_PATH` and `A1111_PYTHON` as in test_a1111_host.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif("A1111_PATH" not in os.environ, reason="needs A1111_PATH")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process of the program has seen."""
    folder = tmp_path_factory.mktemp("a1111") / "models"
    folder.mkdir()
    draw(folder / "pictures", captions=True)
    python = os.environ.get("A1111_PYTHON", sys.executable)
    command = [python, "-m", "tests.real_hosts.a1111_hypernetworks", str(folder)]
    told = {**os.environ, "WEBUI_IN_PROCESS": "a1111", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


def test_files_of_every_structure_mean_the_same_both_ways(found: Any) -> None:
    """Every activation function, weight initialization, structure, norm, dropout."""
    files = found["files"]
    assert len(files) > 50
    assert max(files.values()) < 1e-6, files


def test_a_step_of_ours_has_the_gradient_of_its_own_trainer(found: Any) -> None:
    """The same noise, timestep, prompt and beginning."""
    step = found["step"]
    assert step["same tensors"]
    assert step["losses"][1] == pytest.approx(step["losses"][0], rel=1e-5)
    assert len(step["gradients"]) == 14
    assert max(step["gradients"].values()) < 1e-5, step["gradients"]
    assert max(step["silent"].values()) < 1e-5


def test_one_that_is_active_in_the_program_is_never_part_of_training(found: Any) -> None:
    assert found["an active one is left out"]
    assert found["and stays active"]


def test_the_next_prompt_uses_what_was_trained_as_our_preview_shows_it(found: Any) -> None:
    assert found["changes"] > 0
    assert found["preview"] <= 1


def test_a_training_of_the_same_name_replaces_the_numbers_that_are_loaded(found: Any) -> None:
    assert found["changes again"] > 0
    assert found["preview again"] <= 1


def test_pictures_without_the_tag_are_as_before(found: Any) -> None:
    assert found["afterwards"] == 0
