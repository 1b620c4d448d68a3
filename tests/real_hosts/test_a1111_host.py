"""The contract of every host, on the session objects of a real AUTOMATIC1111.

`A1111_PATH` is its folder, `A1111_PYTHON` its interpreter with pytest and hypothesis in it. A
process of its own, as one can have only one `modules`; see tests/webui/real_a1111.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif("A1111_PATH" not in os.environ, reason="needs A1111_PATH")
RUNS = {"sd1": "a1111-sd1 and not inpaint", "inpainting": "a1111-sd1-inpaint"}


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
