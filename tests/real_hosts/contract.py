"""The contract of every host, on the session objects of a real web UI."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MORE = ("inpaint", "sd2-v", "reforge", "autumn", "zsnr", "half", "fp8")
"""In the names of other subjects."""


def keeps_contract(program: str, python: str, kind: str) -> None:
    """Assert it, in a process of its own: one can have only one `modules`."""
    # The programs' own modules warn of much that is none of our business.
    options = ["-q", "-o", "filterwarnings=ignore", "-p", "no:cacheprovider"]
    others = [name for name in _MORE if name not in f"{program}-{kind}"]
    run = " and not ".join([f"{program}-{kind}", *others])
    command = [python, "-m", "pytest", *options, "tests/contract", "-k", run]
    told = {"WEBUI_IN_PROCESS": program}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
