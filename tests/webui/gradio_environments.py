"""Virtual environments with the versions of gradio that the panel runs on.

They are in the checkout (`.venv-gradio-…`), made when a test first needs them. Torch and the like
come from the environment that runs the tests; what is installed here comes first. That environment
has the newest gradio itself.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import HostBusyError
from ti_core.train.run_lock import locked

ROOT = Path(__file__).parents[2]
_AUDIO = "audioop-lts; python_version >= '3.13'"  # pydub imports what left Python then
NEWEST = "newest"
WANTED: dict[str, str] = {
    # A1111 1.10's own pins, and what they need that the newest gradio's environment has not.
    # Named one by one: gradio wishes for numpy 1, which new Pythons do not have, and pip takes
    # minutes to choose.
    "3.41.2": (
        "--no-deps gradio==3.41.2 gradio_client==0.5.0 fastapi==0.94.0 starlette==0.26.1 "
        "pydantic<2 httpx==0.24.1 httpcore==0.17.3 h11<0.15 sniffio huggingface_hub<0.26 "
        "websockets<12 aiofiles<24 ffmpy importlib_resources markupsafe<3 altair<6 narwhals "
        "jsonschema jsonschema-specifications attrs referencing rpds-py matplotlib contourpy "
        "cycler fonttools kiwisolver pyparsing"
    ),
    # Forge's
    "4.40.0": "gradio==4.40.0 fastapi==0.104.1 pydantic==2.8.2 huggingface_hub<0.26",
}
"""Version → what pip installs."""
VERSIONS = (*WANTED, NEWEST)
MINUTES = 10
"""That one call of pip may take."""


def versions(*usual: str) -> list[Any]:
    """Every version as a parameter of a test; those that are not `usual` are slow."""
    return [
        version if version in usual else pytest.param(version, marks=pytest.mark.slow)
        for version in VERSIONS
    ]


def python_with(version: str) -> Path:
    """The Python of the environment with this gradio; made if it is not there or out of date.

    Raises AssertionError with pip's own words when it cannot be made.
    """
    if version == NEWEST:
        return Path(sys.executable)
    with _in_turn():
        return _made(version)


@contextlib.contextmanager
def _in_turn() -> Iterator[None]:
    """Processes that test side by side must not make the same one twice."""
    place = ROOT / ".venv-gradio-lock"
    place.mkdir(exist_ok=True)
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(place))
                break
            except HostBusyError:
                time.sleep(0.5)
        yield


def _made(version: str) -> Path:
    folder = ROOT / f".venv-gradio-{version}"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    stamp = folder / "made-of.txt"
    recipe = "\n".join((sys.version, _shared(), WANTED[version]))
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == recipe):
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
        _install(python, WANTED[version])
        _lend(folder)
        stamp.write_text(recipe, encoding="utf-8")
    return python


def _install(python: Path, wishes: str) -> None:
    """Not compiled: much of it is never imported."""
    options = ("--quiet", "--disable-pip-version-check", "--no-warn-conflicts", "--no-compile")
    names = [*wishes.split(), *([] if "--no-deps" in wishes else [_AUDIO])]
    _run(sys.executable, "-m", "pip", "--python", str(python), "install", *options, *names)


def _lend(folder: Path) -> None:
    """What is not installed there is found where torch is; after pip, which would take it for
    what is there already."""
    (place,) = folder.glob("**/site-packages")
    (place / "lent.pth").write_text(_shared() + "\n", encoding="utf-8")


def _shared() -> str:
    found = importlib.util.find_spec("torch")
    assert found is not None, "torch is not installed"
    assert found.origin is not None
    return str(Path(found.origin).parents[1])


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
