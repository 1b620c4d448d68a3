"""Who may see the page: whoever knows the token, or else this machine and nobody else."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[object]]
Send = Callable[[dict[str, object]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_COOKIE = "ti_token"
_SAFE = ("GET", "HEAD", "OPTIONS")


def is_this_machine(address: str) -> bool:
    """Whether only programs of this machine can reach an address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


class Gate:
    """ASGI middleware. With a token, everything needs it; without one, requests must name this
    machine as their host (so that no strange name can be made to point here), and those that change
    something must not come from another site's page."""

    def __init__(self, app: App, token: str = "") -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif _foreign(scope):
            await _answer(send, 403, "this page was asked for by another site")
        elif not self.token:
            await self._local(scope, receive, send)
        elif self._knows_token(scope):
            await self.app(scope, receive, send)
        else:
            await self._visit(scope, send)

    async def _local(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_this_machine(_host(scope)):
            await self.app(scope, receive, send)
        else:
            await _answer(send, 403, "this page is for this machine only; see --listen and --token")

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
        place = str(scope["path"]) + (f"?{rest}" if rest else "")
        cookie = f"{_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        headers = [(b"location", _local_path(place)), (b"set-cookie", cookie.encode("latin-1"))]
        await _answer(send, 303, "", headers)

    def _same(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())


def _foreign(scope: Scope) -> bool:
    """Whether a page of another site wants to change something here."""
    origin = _headers(scope).get("origin")
    if origin is None or scope["method"] in _SAFE:
        return False
    return urlsplit(origin).netloc.lower() != _headers(scope).get("host", "").lower()


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _host(scope: Scope) -> str:
    """The name of the machine that a request is meant for, without the port."""
    try:
        return urlsplit("//" + _headers(scope).get("host", "")).hostname or ""
    except ValueError:
        return ""


def _local_path(place: str) -> bytes:
    """Two slashes would lead to another machine."""
    return ("/" + place.lstrip("/\\")).encode("ascii", "ignore")


async def _answer(
    send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send(
        {"type": "http.response.start", "status": status, "headers": [kind, *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": text.encode()})
