"""Our host over a real ComfyUI: the contract, and all that is promised of gradients and pictures.

A process of its own, as one can have only one `comfy`; see tests/comfy/program.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="needs COMFYUI_PATH")
RUNS = {
    "contract": ["tests/contract", "-k", "comfyui-sd1"],
    "facts": ["tests/comfy/host/test_facts.py"],
    "gradients": ["tests/comfy/host/test_gradients.py"],
    "text": ["tests/comfy/host/test_text.py"],
    "pictures": ["tests/comfy/host/test_pictures.py"],
    "hypernetworks": ["tests/comfy/host/test_hypernetworks.py"],
    "dynamic": ["tests/comfy/host/test_dynamic.py"],
    "content": ["tests/comfy/host/test_content.py"],
    "names": ["tests/comfy/test_prompt_names.py"],
    "training": ["tests/comfy/host/test_real.py"],
}


@pytest.mark.parametrize("run", RUNS)
def test_the_host_keeps_its_promises_on_the_real_program(
    run: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    models = os.environ.get("COMFYUI_CHECKPOINTS") or str(tmp_path_factory.getbasetemp())
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    told = {"COMFYUI_IN_PROCESS": "1", "COMFYUI_CHECKPOINTS": models}
    # ComfyUI's own modules warn of much that is none of our business.
    command = [python, "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", *RUNS[run]]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout or run == "dynamic"  # which 0.3.64 does not know
