"""What a run can be asked for over HTTP."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import trained
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.replaced import replace_embedding


class Request:
    """A request with a body, as aiohttp gives it."""

    def __init__(self, value: Any, headers: dict[str, str]) -> None:
        self.data = value if isinstance(value, bytes) else json.dumps(value).encode()
        kind = {"host": "127.0.0.1:8188", "content-type": "application/json"}
        self.headers, self.content, self.taken = {**kind, **headers}, self, 0

    async def iter_any(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), 1000):
            self.taken = start + 1000
            yield self.data[start : start + 1000]


def ask(value: Any, **headers: str) -> tuple[int, Any]:
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return asyncio.run(program.nodes("routes").ask(Request(value, given)))


@pytest.mark.parametrize("value", [{}, {"action": "explode"}, {"node": "7"}])
def test_what_is_no_wish_is_refused(value: Any) -> None:
    status, answer = ask(value)
    assert status == 400
    assert "finish" in answer["error"]


@pytest.mark.parametrize(
    ("value", "headers", "status"),
    [
        (b"{", {}, 422),
        (None, {}, 422),
        ([], {}, 422),
        (b"[" * 9000, {}, 422),
        ({"action": "finish"}, {"content_type": "text/plain"}, 415),
        (b" " * 1_000_000, {}, 413),
        (b"{}", {"content_length": "1000000000"}, 413),
    ],
)
def test_other_bodies_are_refused(value: Any, headers: dict[str, str], status: int) -> None:
    assert ask(value, **headers)[0] == status


def test_a_large_body_is_not_read() -> None:
    request = Request(b" " * 1_000_000, {})
    asyncio.run(program.nodes("routes").ask(request))
    assert request.taken <= 11_000


EVIL = {"host": "evil.example", "origin": "http://evil.example"}
"""A name that its owner made point to this machine."""


@pytest.mark.parametrize(
    ("flags", "headers", "status"),
    [
        ({}, EVIL, 403),
        ({}, {"origin": "http://evil.example"}, 403),
        ({}, {"sec_fetch_site": "cross-site"}, 403),
        ({}, {"host": "evil.example"}, 403),
        (
            {"listen": "0.0.0.0,::"},
            {"host": "proxy.example", "origin": "http://proxy.example"},
            404,
        ),
        ({"listen": "0.0.0.0"}, {"host": "a.example", "origin": "http://evil.example"}, 403),
        ({"listen": "127.0.0.1,::1"}, EVIL, 403),
        ({"enable_cors_header": "http://friend.example"}, {"origin": "http://friend.example"}, 404),
        ({"enable_cors_header": "http://friend.example"}, {"origin": "http://evil.example"}, 403),
        ({"enable_cors_header": "*"}, {"origin": "http://evil.example"}, 404),
    ],
)
def test_pages_of_other_sites_are_refused(
    flags: dict[str, str], headers: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = program.nodes("routes")
    for name, value in flags.items():
        monkeypatch.setattr(routes.args, name, value)
    assert ask({"action": "finish"}, **headers)[0] == status
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    answer = asyncio.run(routes.tell(Request({}, given)))
    assert answer[0] == (403 if status == 403 else 200)


def test_what_can_be_resumed_is_listed_with_its_picture(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = program.nodes("routes")
    assert asyncio.run(routes.unfinished(Request({}, {}))) == (200, {"runs": []})
    control = program.nodes("runs").RunControl
    monkeypatch.setattr(control, "finishing", property(lambda self: True))
    trained(pictures, steps=6)
    status, answer = asyncio.run(routes.unfinished(Request({}, {})))
    assert status == 200
    (run,) = answer["runs"]
    assert (run["name"], run["step"], run["steps"]) == ("my-cat", 0, 6)
    shown = run["preview"]
    assert (program.folders["output"] / shown["subfolder"] / shown["filename"]).is_file()
    assert asyncio.run(routes.unfinished(Request({}, EVIL)))[0] == 403


def test_without_a_run_there_is_nobody_to_ask() -> None:
    assert ask({"action": "finish"})[0] == 404


def test_a_wish_reaches_the_run_of_that_node() -> None:
    with program.nodes("runs").track_training("7", "my-cat") as going:
        assert ask({"action": "finish", "node": 8})[0] == 404
        assert not going.control.finishing
        assert ask({"action": "pause", "node": 7})[1]["runs"][0]["paused"] is True
        assert ask({"action": "go_on"})[1]["runs"][0]["paused"] is False
        assert ask({"action": "preview"})[0] == ask({"action": "save"})[0] == 200
        assert list(going.control.requests()) == ["preview", "save"]
        ask({"action": "finish"})
        assert going.control.finishing
    assert program.nodes("runs").running_trainings() == []


def test_a_loss_that_is_no_number_is_told_as_none() -> None:
    bridge = program.nodes("bridge")
    from ti_core.train.events import StepDone

    with program.nodes("runs").track_training("7", "x") as going:
        going.steps = 2
        bridge.Bridge(going)(StepDone(1, 0, 0, math.nan, 0.1, 1.0))
        assert going.to_dict()["loss"] is None


def test_long_encoding_is_told() -> None:
    from ti_core.train.events import Encoding

    with program.nodes("runs").track_training("7", "x") as going:
        program.nodes("bridge").Bridge(going)(Encoding(3, 20))
    assert program.shown == ["encoding images: 3 of 20"]


def test_a_replaced_embedding_is_brought_back(comfy: dict[str, Path]) -> None:
    routes, path = program.nodes("routes"), comfy["embeddings"] / "cats" / "my-cat.safetensors"
    for step in (1, 2):
        replace_embedding(path, Embedding("my-cat", {"emb_params": torch.ones(1, 768)}, step))
    status, answer = asyncio.run(routes.tell_replaced(Request(None, {})))
    (told,) = answer["replaced"]
    assert (status, told["file"]) == (200, "cats/my-cat.safetensors.before-1")
    assert told["told"].startswith("step 1, replaced ")

    def restore(file: object, **headers: str) -> tuple[int, Any]:
        given: tuple[int, Any] = asyncio.run(routes.restore(Request({"file": file}, headers)))
        return given

    for file in ("cats/my-cat.safetensors", "../x.before-1", str(path), None):
        assert restore(file)[0] == 404
    assert restore(told["file"], origin="https://elsewhere.example")[0] == 403
    assert restore(told["file"]) == (200, {"file": "my-cat.safetensors"})
    assert read_embedding(path).step == 1
