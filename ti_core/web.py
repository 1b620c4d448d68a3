"""Which requests over HTTP are answered: from whom, how large, and with what in them."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import socket
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .errors import (
    ForbiddenError,
    LargeRequestError,
    MediaTypeError,
    RequestError,
    SlowRequestError,
)

MOST_BYTES = 1_000_000
"""Of a body of JSON."""
MOST_SECONDS = 20.0
"""In which it has to arrive."""
_DEEPEST, _MOST_ITEMS, _MOST_DIGITS = 8, 1000, 30


# --- from whom --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visitors:
    """Whose requests are answered.

    A page of another site cannot read what it gets here, but it can send orders; and if its owner
    makes its name point to this machine, it can do both. An address in numbers cannot be taken so.
    """

    names: tuple[str, ...] = ()
    """Host names of this machine, beside its own, in lower case."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may ask, such as https://friend.example; "*" is every one."""
    pattern: str = ""
    """A regular expression for more of them."""
    any_name: bool = False
    """Anyone who started the program wants it to be reached by names that no one here knows."""

    def require(self, headers: Mapping[str, str]) -> None:
        """Raise ForbiddenError for a foreign page, or for a name that is not this machine's.

        `headers` are looked up by names in lower case.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and self._friend(origin):
            return
        if not self.any_name and not self.knows(host):
            what = f"the host name {host_name(host)[:100]!r} is not one of this machine"
            why = "another site may have made its name point here (DNS rebinding)"
            fix = "use the IP address, or allow the name where the program is started"
            raise ForbiddenError(what, why, fix)
        if is_foreign(headers):
            why = "it could send requests in the name of the user who has it open"
            raise ForbiddenError("requested by a page of another site", why)

    def knows(self, host: str) -> bool:
        """Whether a `Host` header means this machine."""
        name = host_name(host)
        if name == "localhost" or name.endswith(".localhost") or _is_address(name):
            return True
        known = {*self.names, *map(host_name, map(_netloc, self.origins)), *_own_names()}
        return bool(name) and name in known

    def _friend(self, origin: str) -> bool:
        known = "*" in self.origins or origin in self.origins
        return known or bool(self.pattern and re.fullmatch(self.pattern, origin))


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site asks: browsers say so in one of two headers."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return _netloc(origin) != headers.get("host", "").lower()


def host_name(host: str) -> str:
    """The name in a `Host` header, without the port, in lower case; empty for what is none."""
    match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?", host.lower(), re.ASCII)
    return match[1].strip("[]") if match else ""


def is_loopback(address: str) -> bool:
    """Whether only programs of this machine can reach an address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _own_names() -> tuple[str, ...]:
    name = socket.gethostname().lower()
    first = name.partition(".")[0]
    return name, first, f"{first}.local"


# --- what is in them --------------------------------------------------------------------------


async def read_object(
    headers: Mapping[str, str],
    chunks: AsyncIterable[bytes],
    most: int = MOST_BYTES,
    seconds: float = MOST_SECONDS,
) -> dict[str, Any]:
    """The JSON object in the body of a request; without a body, an empty one.

    Raises MediaTypeError, LargeRequestError, SlowRequestError, and RequestError for other JSON.
    """
    require_small(headers, most)
    try:
        data = await asyncio.wait_for(_collected(chunks, most), seconds)
    except asyncio.TimeoutError as error:
        what = f"the request did not arrive in {seconds:g} seconds"
        raise SlowRequestError(what, "", "send it at once") from error
    if not data:
        return {}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        what = f"the request holds {kind[:100] or 'something'!r}"
        raise MediaTypeError(what, "", "send JSON with Content-Type: application/json")
    return parse_object(data)


def require_small(headers: Mapping[str, str], most: int) -> None:
    """Raise LargeRequestError where the headers announce more than `most` bytes, or no number."""
    declared = headers.get("content-length", "0")
    if not re.fullmatch(r"\d{1,18}", declared, re.ASCII) or int(declared) > most:
        raise large(most)


async def _collected(chunks: AsyncIterable[bytes], most: int) -> bytes:
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > most:
            raise large(most)
    return bytes(found)


def large(most: int) -> LargeRequestError:
    """The error for a body of more than `most` bytes."""
    return LargeRequestError(f"the request has more than {most:,} bytes", "", "send less")


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object of some settings. Raises RequestError for anything else: other values, names
    that come twice, numbers that are none, long lists, deep nesting."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_whole,
        )
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        _require_small(value)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError("the request cannot be read", why, "send a JSON object") from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice in it")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _require_small(value: object, depth: int = 0) -> None:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if len(inside) > _MOST_ITEMS:
        raise ValueError(f"a list in it has more than {_MOST_ITEMS:,} items")
    for item in inside:
        _require_small(item, depth + 1)
