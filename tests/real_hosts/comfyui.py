"""A real ComfyUI in a process of its own, used through HTTP and its websocket alone.

`COMFYUI_PATH` is a checkout of ComfyUI, `COMFYUI_PYTHON` the Python that has its packages (this
one if it is not set), `COMFYUI_FRONT_END` the folder of a front end other than the one that belongs
to it. The checkout is not written to: the server has folders of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tests.comfy.checkpoints import write
from tests.real_hosts.websocket import WebSocket

ROOT = Path(__file__).parents[2]
PACK = "textual-inversion-studio"
_START_SECONDS, _MESSAGE_SECONDS = 600, 900


@dataclass
class Outcome:
    """What became of a prompt."""

    status: str
    """success, error or interrupted"""
    error: dict[str, Any]
    """Of the node that failed: node_id, exception_message, …"""
    outputs: dict[str, Any]
    """Number of the node → what it showed."""
    cached: list[str]
    messages: list[dict[str, Any]] = field(repr=False, default_factory=list)
    texts: list[tuple[str, str]] = field(repr=False, default_factory=list)
    """(node, text) shown while it ran"""
    previews: int = 0


class ComfyUI:
    """The server; `folder` gets input, output, temp, user and models/embeddings."""

    def __init__(self, folder: Path, checkpoints: Path, port: int = 0) -> None:
        self.folder, self.checkpoints = folder, checkpoints
        self.port = port or _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        for name in (
            "input",
            "output",
            "temp",
            "user",
            "embeddings",
            "custom_nodes",
            "models/loras",
            "models/hypernetworks",
        ):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for place in (self.embeddings, self.loras):
            place.mkdir(parents=True, exist_ok=True)
        pack = folder / "custom_nodes" / PACK
        if not pack.exists():
            pack.symlink_to(ROOT, target_is_directory=True)
        paths = {"checkpoints": checkpoints, "embeddings": folder / "embeddings"}
        (folder / "paths.yaml").write_text(
            "ours:\n"
            + "".join(f"  {kind}: {path}\n" for kind, path in paths.items())
            + "  is_default: true\n"
        )

    @property
    def embeddings(self) -> Path:
        """Where embeddings go."""
        return self.folder / "embeddings"

    @property
    def hypernetworks(self) -> Path:
        """Where hypernetworks go."""
        return self.folder / "models" / "hypernetworks"

    @property
    def loras(self) -> Path:
        """Where LoRAs go."""
        return self.folder / "models" / "loras"

    def losses(self, name: str) -> list[float]:
        """Of every step of the first run of an embedding, as its log has them."""
        (log,) = (self.folder / "output" / "textual_inversion").glob(f"*/{name}/events.jsonl")
        events = map(json.loads, log.read_text().splitlines())
        return [event["loss"] for event in events if event["event"] == "StepDone"]

    @property
    def log(self) -> str:
        """What the server printed."""
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers."""
        python = os.environ.get("COMFYUI_PYTHON", sys.executable)
        checkout = Path(os.environ["COMFYUI_PATH"])
        command = [python, str(checkout / "main.py"), "--cpu", "--listen", "127.0.0.1"]
        command += ["--port", str(self.port), "--base-directory", str(self.folder)]
        command += ["--extra-model-paths-config", str(self.folder / "paths.yaml")]
        command += ["--disable-all-custom-nodes", "--whitelist-custom-nodes", PACK]
        command += ["--database-url", f"sqlite:///{self.folder}/user/comfyui.db"]
        if front_end := os.environ.get("COMFYUI_FRONT_END"):
            command += ["--front-end-root", front_end]
        quiet = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1"}
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=checkout, env={**os.environ, **quiet}, stdout=log, stderr=log
            )
        until = time.monotonic() + _START_SECONDS
        while not self.alive():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"ComfyUI did not start:\n{self.log[-3000:]}")
            time.sleep(0.5)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def alive(self) -> bool:
        """Whether it answers."""
        try:
            self.get("/queue")
        except (OSError, ValueError):
            return False
        return True

    def get(self, path: str) -> Any:
        """JSON of a route; strict: NaN is an error, as it is for browsers."""
        with urllib.request.urlopen(self._url(path), timeout=60) as answer:
            return _strict(answer.read())

    def bytes_of(self, path: str) -> bytes:
        """Of a route, whatever it gives."""
        with urllib.request.urlopen(self._url(path), timeout=60) as answer:
            data: bytes = answer.read()
            return data

    def post(self, path: str, value: Any) -> tuple[int, Any]:
        """(status, JSON) of sending a value."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url(path), data, head)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read()
                return answer.status, json.loads(body) if body else None
        except urllib.error.HTTPError as error:  # ComfyUI's refusals repeat a NaN that was sent
            return error.code, json.loads(error.read() or b"null")

    def image(self, entry: dict[str, Any]) -> bytes:
        """A picture that a node shows."""
        where = "&".join(f"{key}={entry[key]}" for key in ("filename", "subfolder", "type"))
        return self.bytes_of(f"/view?{where}")

    def run(
        self, prompt: dict[str, Any], on_message: Callable[[dict[str, Any]], None] | None = None
    ) -> Outcome:
        """Queue a graph and wait for its end. Raises AssertionError when it is refused."""
        client = uuid.uuid4().hex
        channel = WebSocket("127.0.0.1", self.port, f"/ws?clientId={client}", _MESSAGE_SECONDS)
        try:
            status, answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
            assert status == 200, answer
            return self._follow(channel, answer["prompt_id"], on_message)
        finally:
            channel.close()

    def _follow(self, channel: WebSocket, number: str, on_message: Any) -> Outcome:
        found = Outcome("", {}, {}, [])
        while True:
            received = channel.receive()
            if isinstance(received, bytes):
                _binary(received, found)
                continue
            message = _strict(received)
            data = message["data"]
            if data.get("prompt_id", number) != number:
                continue
            found.messages.append(message)
            if on_message:
                on_message(message)
            kind = message["type"]
            if kind == "execution_cached":
                found.cached = data["nodes"]
            elif kind == "executed":
                found.outputs[data["node"]] = data["output"]
            elif kind.startswith("execution_") and kind != "execution_start":
                found.status = kind.removeprefix("execution_")
                found.error = data
            if kind == "executing" and data["node"] is None:
                return found

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def serving(base: Path, kinds: Iterable[str]) -> Iterator[ComfyUI]:
    """A server with these random models and three pictures of `cats`.

    `COMFYUI_CHECKPOINTS` is a folder to keep the models in.
    """
    models = Path(os.environ.get("COMFYUI_CHECKPOINTS") or base / "checkpoints")
    models.mkdir(exist_ok=True)
    for kind in kinds:
        write(kind, models)
    server = ComfyUI(base, models)
    draw(base / "input" / "cats")
    try:
        server.start()
        yield server
    finally:
        server.stop()


def draw(folder: Path) -> None:
    """Three pictures with captions."""
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue")):
        picture = Image.new("RGB", (96, 80), "white")
        ImageDraw.Draw(picture).ellipse((20, 10, 70, 60), fill=colour)
        picture.save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a {colour} [name]")


def _binary(data: bytes, found: Outcome) -> None:
    kind = int.from_bytes(data[:4], "big")
    if kind == 3:
        size = int.from_bytes(data[4:8], "big")
        found.texts.append((data[8 : 8 + size].decode(), data[8 + size :].decode()))
    else:
        found.previews += 1


def _strict(data: bytes | str) -> Any:
    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is not JSON")

    return json.loads(data, parse_constant=refuse)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
