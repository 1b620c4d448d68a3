"""A real web UI in a process of its own, with our extension in it, for browsers and over HTTP.

`A1111_PATH` is a checkout of AUTOMATIC1111, complete as its launcher leaves it, and
`A1111_PYTHON` the Python that has its packages (this one if it is not set); likewise FORGE_…,
FORGE_NEO_… and REFORGE_…. The checkout is not written to: checkpoint, embeddings, extension and
settings lie in a data folder of the test. The server is started as users start it, by `launch.py`.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[2]
EXTENSION = "textual-inversion-studio"
PREVIEWS = "a picture of [name] --w 64 --h 64 --s 3"
"""At the size that models are made for, one of them takes minutes on a processor."""
_START_SECONDS, _ANSWER_SECONDS = 400, 300


@dataclass(frozen=True)
class Program:
    """One of the web UIs, as it is started."""

    name: str
    flags: str
    """`{checkout}` in them is its folder."""
    prepare: Callable[[Path, Path], None]
    """Puts a small checkpoint, and what else it takes, into the data folder; the second path is
    the checkout."""
    python_flags: str = ""
    """Between the interpreter and `launch.py`."""
    settings: dict[str, Any] = field(default_factory=dict)
    embeddings: str = "embeddings"
    """Where they lie in the data folder."""

    @property
    def present(self) -> bool:
        """Whether the environment names a checkout."""
        return f"{self.name.upper()}_PATH" in os.environ

    @property
    def checkout(self) -> Path:
        """Its folder."""
        return Path(os.environ[f"{self.name.upper()}_PATH"])

    @property
    def python(self) -> str:
        """Its interpreter."""
        return os.environ.get(f"{self.name.upper()}_PYTHON", sys.executable)


def _prepare_a1111(folder: Path, checkout: Path) -> None:
    from tests.webui.a1111_files import write_checkpoint, write_hub

    write_hub(folder)
    models = folder / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    write_checkpoint("sd1", models / "random-sd1.safetensors", checkout)


def _prepare_forge(folder: Path, checkout: Path) -> None:
    from tests.webui.reduced_forge import write_checkpoint

    models = folder / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    write_checkpoint(models / "random-sd1.safetensors", "sd1")


_COMMON = "--api --skip-torch-cuda-test --skip-python-version-check"
_HUNGRY = ["forge_legacy_preprocessors", "sd_forge_controlnet", "sd_forge_ipadapter"]
"""Extensions that come with Forge: two install packages and replace some, the third needs one."""
PROGRAMS = {
    "a1111": Program(
        "a1111",
        f"{_COMMON} --skip-version-check --use-cpu all --no-half --precision full"
        " --no-download-sd-model",
        _prepare_a1111,
    ),
    "forge": Program(
        "forge",
        # It hides its own scripts from browsers where the data folder is another one.
        f"{_COMMON} --always-cpu --all-in-fp32 --gradio-allowed-path {{checkout}}",
        _prepare_forge,
        python_flags=str(ROOT / "tests" / "real_hosts" / "forge_server.py"),
        settings={"disabled_extensions": _HUNGRY},
    ),
    "forge_neo": Program(
        "forge_neo",
        # Its requirements name a version of setuptools that a current torch does not take.
        f"{_COMMON} --skip-prepare-environment --cpu --force-fp32"
        " --gradio-allowed-path {checkout}",
        _prepare_forge,
        python_flags=str(ROOT / "tests" / "real_hosts" / "forge_server.py"),
        settings={"disabled_extensions": _HUNGRY, "live_previews_enable": False},
        embeddings="models/embeddings",
    ),
    "reforge": Program(
        "reforge",
        f"{_COMMON} --skip-version-check --always-cpu --all-in-fp32",
        _prepare_forge,
        python_flags=str(ROOT / "tests" / "real_hosts" / "forge_server.py"),
        # Its previews of running pictures need a network that it would have to download.
        settings={"disabled_extensions": _HUNGRY, "live_previews_enable": False},
    ),
}


@dataclass(frozen=True)
class Picture:
    """What txt2img made."""

    pixels: bytes
    infotext: str


class WebUI:
    """The server; `folder` becomes its data folder."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder, self.port = program, folder, _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        _install(folder / "extensions" / EXTENSION)
        self.embeddings.mkdir(parents=True)
        settings = {"ti_studio_logging_dir": str(self.logs), "ti_studio_sample_prompts": PREVIEWS}
        (folder / "config.json").write_text(json.dumps(settings | program.settings))
        program.prepare(folder, program.checkout)

    @property
    def address(self) -> str:
        """Of its page."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def embeddings(self) -> Path:
        """Where embeddings lie."""
        return self.folder / self.program.embeddings

    @property
    def logs(self) -> Path:
        """Where runs lie."""
        return self.folder / "textual_inversion"

    @property
    def log(self) -> str:
        """What the server printed."""
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until our routes answer."""
        program = self.program
        command = [program.python, *program.python_flags.split(), "launch.py"]
        command += [
            *program.flags.format(checkout=program.checkout).split(),
            "--data-dir",
            str(self.folder),
        ]
        command += ["--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=program.checkout,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")  # Forge Neo waits for Enter: these settings are not its own
        self.process.stdin.close()
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{program.name} did not start:\n{self.log[-4000:]}")
            time.sleep(0.5)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            finally:
                self.process.kill()
                self.process.wait()

    def crash(self) -> None:
        """Kill it, as when the power goes, and start it again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        (self.folder / "server.log").unlink()
        self.start()

    def get(self, path: str) -> Any:
        """JSON of a route."""
        with urllib.request.urlopen(self.address + path, timeout=_ANSWER_SECONDS) as answer:
            return json.loads(answer.read())

    def post(self, path: str, value: Any) -> Any:
        """JSON that comes back for a value."""
        data, head = json.dumps(value).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, head)
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            return json.loads(answer.read())

    def picture(self, prompt: str, **changes: Any) -> Picture:
        """Of txt2img, small and quick."""
        wishes = {"seed": 5, "steps": 3, "width": 64, "height": 64, "cfg_scale": 5}
        answer = self.post("/sdapi/v1/txt2img", {"prompt": prompt, **wishes, **changes})
        infotext: str = json.loads(answer["info"])["infotexts"][0]
        image = Image.open(BytesIO(base64.b64decode(answer["images"][0])))
        return Picture(image.convert("RGB").tobytes(), infotext)

    def _answers(self) -> bool:
        """Asked for nothing before it says that it is ready: it cannot add its API after that."""
        if "Startup time" not in self.log:
            return False
        try:
            self.get("/ti/v1/jobs")
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _environment(self) -> dict[str, str]:
        """The extension must be found by the web UI itself, not along our own path."""
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HOME": str(self.folder)}
        return {**kept, **offline, "PYTHONUNBUFFERED": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


def _install(extension: Path) -> None:
    """Links to all of this checkout but git's folder, of which web UIs want an `origin`."""
    extension.mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name != ".git":
            (extension / path.name).symlink_to(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
