"""The contract of every host, on the session objects of a real Forge.

`FORGE_PATH` is its folder, `FORGE_PYTHON` its interpreter with pytest and hypothesis in it. A
process of its own, as one can have only one `modules`; see tests/webui/real_forge.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif("FORGE_PATH" not in os.environ, reason="needs FORGE_PATH")


def test_the_host_keeps_the_contract_on_the_real_program() -> None:
    python = os.environ.get("FORGE_PYTHON", sys.executable)
    # Forge's own modules warn of much that is none of our business.
    options = ["-q", "-o", "filterwarnings=ignore", "-p", "no:cacheprovider"]
    run = "forge-sd1 and not inpaint"
    command = [python, "-m", "pytest", *options, "tests/contract", "-k", run]
    told = {"WEBUI_IN_PROCESS": "forge"}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
