"""The contract of every host, on the session objects of a real AUTOMATIC1111.

`A1111_PATH` is its folder, `A1111_PYTHON` its interpreter with pytest and hypothesis in it. A
process of its own, as one can have only one `modules`; see tests/webui/real_a1111.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .curve import STEPS, losses

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif("A1111_PATH" not in os.environ, reason="needs A1111_PATH")
RUNS = {
    "sd1": "a1111-sd1 and not inpaint",
    "inpainting": "a1111-sd1-inpaint",
    "sd2": "a1111-sd2 and not sd2-v",
    "sd2-v": "a1111-sd2-v",
    "sdxl": "a1111-sdxl",
}


@pytest.mark.parametrize("run", RUNS)
def test_the_host_keeps_the_contract_on_the_real_program(run: str) -> None:
    python = os.environ.get("A1111_PYTHON", sys.executable)
    # The web UI's own modules warn of much that is none of our business.
    options = ["-q", "-o", "filterwarnings=ignore", "-p", "no:cacheprovider"]
    command = [python, "-m", "pytest", *options, "tests/contract", "-k", RUNS[run]]
    told = {"WEBUI_IN_PROCESS": "a1111"}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sd2-v", "sdxl"])
def test_the_same_seed_gives_the_same_curve_as_on_the_command_line(
    kind: str, tmp_path: Path, pictures: Path
) -> None:
    """One file, one config, two programs."""
    pytest.importorskip("diffusers")
    from tests.webui.a1111_files import write_checkpoint
    from ti_core.hosts.diffusers import DiffusersHost

    (tmp_path / kind).mkdir()
    path = tmp_path / kind / f"{kind}.safetensors"
    write_checkpoint(kind, path, Path(os.environ["A1111_PATH"]))
    theirs = _losses_in_the_program(kind, path, pictures, tmp_path / "there")
    prediction: Any = "v_prediction" if kind == "sd2-v" else "epsilon"
    host = DiffusersHost.open(path, device="cpu", prediction=prediction)
    assert len(theirs) == STEPS
    assert theirs == pytest.approx(losses(host, pictures, tmp_path / "here"), rel=1e-4)


def _losses_in_the_program(kind: str, path: Path, pictures: Path, folder: Path) -> list[float]:
    python = os.environ.get("A1111_PYTHON", sys.executable)
    command = [python, "-m", "tests.real_hosts.curve", kind, str(path), str(pictures), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found
