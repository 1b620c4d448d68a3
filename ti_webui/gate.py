"""Who may see the page: anyone who knows the token, or else this machine and no one else."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from ti_core.errors import LargeRequestError, SlowRequestError, TIError, codes_of
from ti_core.web import host_name, is_foreign, is_loopback, large, require_small

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[object]]
Send = Callable[[dict[str, object]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_COOKIE = "ti_token"
_SAFE = ("GET", "HEAD", "OPTIONS")
MOST_BYTES = 20_000_000
"""Of a request's body: what a page holds, not an image."""
MOST_SECONDS = 60.0
"""In which it has to arrive."""
UPLOADS = "/gradio_api/upload"
"""Where a page sends the images that are dropped on it."""
MOST_OF_UPLOAD = 1_000_000_000, 900.0
"""Bytes of all images that are dropped at once, and seconds."""


class Gate:
    """ASGI middleware. With a token, everything needs it; without one, requests must name this
    machine as their host (so that no strange name can be made to point here), and those that change
    something must not come from another site's page."""

    def __init__(self, app: App, token: str = "", root_path: str = "") -> None:
        self.app, self.token, self.root_path = app, token, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif _foreign(scope):
            await _answer(send, 403, "this page was requested by another site")
        elif not self.token:
            await self._local(scope, receive, send)
        elif self._knows_token(scope):
            await self._pass(scope, receive, send)
        else:
            await self._visit(scope, send)

    async def _local(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_loopback(host_name(_headers(scope).get("host", ""))):
            await self._pass(scope, receive, send)
        else:
            await _answer(send, 403, "this page is for this machine only; see --listen and --token")

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To the page, as long as the body is small and arrives."""
        is_upload = str(scope["path"]).endswith(UPLOADS)
        most, seconds = MOST_OF_UPLOAD if is_upload else (MOST_BYTES, MOST_SECONDS)
        body = _Body(receive, send, most, seconds)
        try:
            require_small(_headers(scope), most)
            await self.app(_unfriendly(scope), body.receive, body.send)
        except LargeRequestError as error:
            body.trouble = error
        except Exception:
            if body.trouble is None:
                raise
        if body.trouble and not body.answered:
            status = codes_of(type(body.trouble)).http
            await _answer(send, status, str(body.trouble), [(b"connection", b"close")])

    def _knows_token(self, scope: Scope) -> bool:
        headers = _headers(scope)
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._same(given.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._same(cookie.value)

    async def _visit(self, scope: Scope, send: Send) -> None:
        """?token=… becomes a cookie, and leaves the address line."""
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if not self._same("".join(query.pop("token", []))):
            await _answer(send, 401, "a token is needed: open this address with ?token=SECRET")
            return
        rest = urlencode(query, doseq=True)
        place = self.root_path + _local_path(str(scope["path"])) + (f"?{rest}" if rest else "")
        cookie = f"{_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        headers = [(b"location", place.encode()), (b"set-cookie", cookie.encode())]
        await _answer(send, 303, "", headers)

    def _same(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())


class _Body:
    """A request's body on its way to the page: small, and without long waits.

    What is wrong with it is kept as `trouble`; the page sees a visitor who has gone.
    """

    def __init__(self, receive: Receive, send: Send, most: int, seconds: float) -> None:
        self._receive, self._send, self._most, self._seconds = receive, send, most, seconds
        self._until, self._size, self._whole = time.monotonic() + seconds, 0, False
        self.trouble: TIError | None = None
        self.answered = False

    async def receive(self) -> object:
        """The next part; when all of it is there, whatever comes then, however late."""
        if self._whole:
            return await self._receive()
        try:
            part = await asyncio.wait_for(self._receive(), max(0, self._until - time.monotonic()))
        except asyncio.TimeoutError:
            self.trouble = SlowRequestError(f"nothing more came for {self._seconds:g} seconds")
            return {"type": "http.disconnect"}
        assert isinstance(part, dict)
        self._size += len(part.get("body", b""))
        self._whole = not part.get("more_body", False)
        if self._size > self._most:
            self.trouble = large(self._most)
            return {"type": "http.disconnect"}
        return part

    async def send(self, message: dict[str, object]) -> None:
        """Pass it on; an answer to half a request is none."""
        if self.trouble is None or self.answered:
            self.answered = True
            await self._send(message)


def _foreign(scope: Scope) -> bool:
    """Whether a page of another site wants to change something here."""
    return scope["method"] not in _SAFE and is_foreign(_headers(scope))


def _unfriendly(scope: Scope) -> Scope:
    """Without the name of another site: gradio lets pages of this machine's other ports read."""
    if not is_foreign(_headers(scope)):
        return scope
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"origin"]}


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _local_path(path: str) -> str:
    """A path for a header: two slashes would lead to another machine, and a line end into the next
    header."""
    return "/" + quote(path.lstrip("/\\"), safe="/")


async def _answer(
    send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send(
        {"type": "http.response.start", "status": status, "headers": [kind, *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": text.encode()})
