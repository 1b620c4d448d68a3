"""Build what would be released, install it where no checkout is near, and use it there.

    python -m tests.repo.release_check [REQUIREMENT…]     (make release-check)

Requirements, such as "torch==2.13.0", are installed before the wheel. Exit code 1 and one line for
each thing that is wrong.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from ti_core import __version__

ROOT = Path(__file__).parents[2]
EXTRAS = "[standalone,cli,ui]"
PORT = 7869
SECONDS_TO_SERVE = 120.0
DEMO = ("--max_train_steps", "20", "--pictures", "4", "--out", "demo")
"""Enough to see that everything is there; whether the demo learns is what its own tests say."""
RESULTS = ("report.html", "report.json", "sheet.png", "loss.png", "*.safetensors")


def main(requirements: Sequence[str]) -> int:
    """Run every check; returns the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        found = [*version_faults(wheel), *content_faults(wheel)]
        installed = install(wheel, folder / "env", requirements)
        found += use_faults(installed, folder)
    for fault in found:
        print(f"release-check: {fault}")
    print(f"release-check: {wheel.name}: {'not fit' if found else 'fit'} for release")
    return int(bool(found))


def build(folder: Path) -> Path:
    """An sdist, and the wheel that is built from it; returns the wheel."""
    _run([sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(ROOT)], folder)
    return next((folder / "dist").glob("*.whl"))


def version_faults(wheel: Path) -> Iterator[str]:
    """The version is that of the code, and the changelog's newest section is about it."""
    if wheel.name.split("-")[1] != __version__:
        yield f"{wheel.name} is not version {__version__}"
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(line for line in changelog.splitlines() if line.startswith("## "))
    if not re.fullmatch(rf"## \[?{re.escape(__version__)}\]? - \d{{4}}-\d\d-\d\d", newest):
        yield f"CHANGELOG.md begins with {newest!r}, not with {__version__} and a date"


def content_faults(wheel: Path) -> Iterator[str]:
    """The wheel has every file of its packages that git knows, and nothing else."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    known = set(_expected())
    yield from (f"the wheel lacks {name}" for name in sorted(known - names))
    yield from (f"the wheel has {name}, which is not known" for name in sorted(names - known))


def _expected() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    target = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    places = {name: name for name in target["packages"]} | target["force-include"]
    for source, place in places.items():
        listed = subprocess.check_output(["git", "ls-files", source], cwd=ROOT, text=True)
        yield from (place + name.removeprefix(source) for name in listed.splitlines())


def install(wheel: Path, folder: Path, requirements: Sequence[str]) -> Path:
    """A fresh environment with the wheel in it; returns the folder of its programs."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    for wanted in (*requirements, f"{wheel}{EXTRAS}"):
        _run([str(programs / "python"), "-m", "pip", "install", "--quiet", wanted], folder)
    return programs


def use_faults(programs: Path, folder: Path) -> Iterator[str]:
    """Outside of the checkout `ti` answers, `ti demo` writes its report, `ti ui` serves a page."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    ti = str(programs / "ti")
    for arguments in (["--help"], ["ui", "--help"], ["demo", *DEMO]):
        _run([ti, *arguments], elsewhere)
    made = elsewhere / "demo"
    yield from (f"ti demo made no {name}" for name in RESULTS if not any(made.rglob(name)))
    yield from serving_faults(ti, elsewhere)


def serving_faults(ti: str, folder: Path) -> Iterator[str]:
    """The page has our style sheet and scripts, and Ctrl-C ends the server."""
    command = [ti, "ui", "--pretrained_model_name_or_path", "demo", "--port", str(PORT)]
    server = subprocess.Popen(command, cwd=folder, env=_environment())
    try:
        page = _page(f"http://127.0.0.1:{PORT}/", server)
        for path in [ROOT / "style.css", *(ROOT / "javascript").glob("*.js")]:
            if _plain_line(path) not in page:
                yield f"the page of ti ui is without {path.name}"
    finally:
        server.send_signal(signal.SIGINT)
        if server.wait(60) != 0:
            yield f"ti ui ended with {server.returncode}"


def _page(address: str, server: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + SECONDS_TO_SERVE
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return str(answer.read(), "utf-8")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    return ""


def _plain_line(path: Path) -> str:
    """The longest line that looks the same wherever gradio puts it into the page."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return max(
        (x for x in lines if x.isascii() and x.isprintable() and not set(x) & set("'\"<>&")),
        key=len,
    )


def _run(command: Sequence[str], folder: Path) -> None:
    print("release-check:", " ".join(command), flush=True)
    subprocess.run(command, cwd=folder, env=_environment(), check=True)


def _environment() -> dict[str, str]:
    """Without what would let Python see the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
