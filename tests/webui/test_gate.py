"""Who may see the page of `ti ui`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from ti_webui import gate
from ti_webui.gate import Gate

TOKEN = "a-secret.of_ours"


def client(token: str = "", host: str = "127.0.0.1:7863") -> TestClient:
    app = FastAPI()
    app.add_middleware(Gate, token=token)

    @app.get("/page")
    def page() -> str:
        return "seen"

    @app.post("/change")
    def change() -> str:
        return "changed"

    return TestClient(app, base_url=f"http://{host}", follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1:7863", "localhost:7863", "[::1]:7863", "127.0.0.9"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert client(host=host).get("/page").json() == "seen"


@pytest.mark.parametrize("host", ["evil.example", "192.168.1.9:7863", "127.0.0.1.evil.example"])
def test_a_strange_name_that_points_here_is_refused(host: str) -> None:
    assert client(host=host).get("/page").status_code == 403


def test_another_sites_page_cannot_change_anything() -> None:
    here = client()
    evil = {"origin": "http://evil.example"}
    assert here.post("/change", headers=evil).status_code == 403
    assert here.post("/change", headers={"origin": "null"}).status_code == 403
    assert here.post("/change", headers={"origin": "http://127.0.0.1:9"}).status_code == 403
    own = {"origin": "http://127.0.0.1:7863"}
    assert here.post("/change", headers=own).json() == "changed"
    assert here.post("/change").json() == "changed", "programs send no origin"


def test_with_a_token_nothing_is_seen_without_it() -> None:
    visitor = client(TOKEN, "192.168.1.9:7863")
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": TOKEN},
        {"cookie": "ti_token=wrong"},
        {"cookie": "\x00;=;;"},
    ):
        assert visitor.get("/page", headers=headers).status_code == 401
    assert visitor.get("/page?token=wrong").status_code == 401
    assert visitor.get("/page?token=").status_code == 401
    assert client(TOKEN).get("/page").status_code == 401, "on this machine, too"


def test_the_token_is_given_once_and_leaves_the_address_line() -> None:
    visitor = client(TOKEN, "192.168.1.9:7863")
    answer = visitor.get(f"/page?token={TOKEN}&theme=dark")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/page?theme=dark"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert visitor.get("/page").json() == "seen"


def test_a_redirect_never_leads_elsewhere() -> None:
    answer = client(TOKEN).get(f"//evil.example/?token={TOKEN}")
    assert answer.status_code in (303, 401)
    assert not answer.headers.get("location", "/").startswith("//")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/page%0d%0aset-cookie:%20a=b", "/page%0D%0Aset-cookie%3A%20a%3Db"),
        ("/%0d%0a%0d%0a<script>", "/%0D%0A%0D%0A%3Cscript%3E"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/%5c/evil.example/", "/evil.example/"),
        ("/caf%c3%a9%20x", "/caf%C3%A9%20x"),
        ("/%3ftoken=1%23x", "/%3Ftoken%3D1%23x"),
    ],
)
def test_no_path_becomes_a_header_or_another_address(path: str, location: str) -> None:
    answer = client(TOKEN).get(f"{path}?token={TOKEN}&x=%0d%0ay:z")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{location}?x=%0D%0Ay%3Az"
    assert list(answer.headers) == ["content-type", "location", "set-cookie"]


def test_a_page_of_another_site_that_sends_no_origin_is_known_by_its_kind() -> None:
    here = client()
    assert here.post("/change", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert here.post("/change", headers={"sec-fetch-site": "same-origin"}).status_code == 200
    assert here.get("/page", headers={"sec-fetch-site": "cross-site"}).status_code == 200, "a link"


# --- bodies -----------------------------------------------------------------------------------


class Sender:
    """A visitor who sends parts of a body, and sees what comes back."""

    def __init__(self, *parts: bytes, late: float = 0, headers: dict[bytes, bytes] | None = None):
        self.parts, self.late, self.taken = list(parts), late, 0
        self.headers = {b"host": b"localhost", **(headers or {})}
        self.answer: list[dict[str, Any]] = []

    async def receive(self) -> object:
        if not self.parts:
            await asyncio.sleep(60)
        await asyncio.sleep(self.late)
        body = self.parts.pop(0)
        self.taken += len(body)
        return {"type": "http.request", "body": body, "more_body": bool(self.parts)}

    async def send(self, message: dict[str, Any]) -> None:
        self.answer.append(message)

    def ask(self, app: Any) -> int:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [*self.headers.items()]}
        asyncio.run(gate.Gate(app)(scope, self.receive, self.send))
        return int(self.answer[0]["status"])


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads all of it first, as most programs do."""
    size, more = 0, True
    while more:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise ConnectionError
        size, more = size + len(part["body"]), part["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def test_bodies_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_BYTES", 100)
    assert Sender(b"x" * 50, b"x" * 50).ask(echo) == 200
    endless = Sender(*[b"x" * 60] * 1000)
    assert endless.ask(echo) == 413
    assert endless.taken == 120
    declared = Sender(b"x" * 200, headers={b"content-length": b"200"})
    assert declared.ask(echo) == 413
    assert declared.taken == 0
    assert len(declared.answer) == 2
    assert Sender(b"x", headers={b"content-length": b"9" * 5000}).ask(echo) == 413


def test_bodies_arrive_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_SECONDS", 0.2)
    assert Sender(*[b"x"] * 100, late=0.05).ask(echo) == 408
    assert Sender(b"x", b"").ask(echo) == 200


def test_what_the_page_does_wrong_is_not_hidden() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("page")

    with pytest.raises(KeyError):
        Sender(b"").ask(broken)


def test_sockets_are_closed() -> None:
    """No page of ours has one, and another site's page may open any."""
    sender = Sender()
    scope = {"type": "websocket", "path": "/", "headers": []}
    asyncio.run(gate.Gate(echo)(scope, sender.receive, sender.send))
    assert sender.answer == [{"type": "websocket.close", "code": 1008}]


def test_programs_give_the_token_as_a_bearer() -> None:
    visitor = client(TOKEN, "192.168.1.9:7863")
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert visitor.get("/page", headers=headers).json() == "seen"
    assert visitor.post("/change", headers=headers).json() == "changed"


def test_uploads_may_be_larger_than_what_a_page_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_BYTES", 10)
    monkeypatch.setattr(gate, "MOST_OF_UPLOAD", (100, 5.0))
    here = client()

    @here.app.post("/gradio_api/upload")  # type: ignore[attr-defined, untyped-decorator]
    async def upload(request: Request) -> int:
        return len(await request.body())

    assert here.post("/gradio_api/upload", content=b"x" * 60).json() == 60
    assert here.post("/gradio_api/upload", content=b"x" * 200).status_code == 413
    assert here.post("/change", content=b"x" * 60).status_code == 413
