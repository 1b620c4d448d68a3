"""Which requests over HTTP are answered."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ti_core.errors import (
    ForbiddenError,
    LargeRequestError,
    MediaTypeError,
    RequestError,
    SlowRequestError,
)
from ti_core.web import Visitors, host_name, is_loopback, parse_object, read_object

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:7860",
        "localhost",
        "LOCALHOST:1",
        "sub.localhost",
        "[::1]:7860",
        "192.168.0.5",
        socket.gethostname(),
        f"{socket.gethostname().partition('.')[0]}.local:80",
        "studio.example",
        "friend.example:7860",
    ],
)
def test_addresses_and_names_of_this_machine_are_known(host: str) -> None:
    visitors = Visitors(("studio.example",), ("https://friend.example",))
    visitors.require({"host": host, "origin": f"http://{host.lower()}"})
    visitors.require({"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7860",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "localhost, evil.example",
        "localhost@evil.example",
        "127.0.0.1:7860:1",
        "",
        "[::1",
        "[::1].evil.example",
        "a b",
        "localhost\n",
        "１２７.0.0.1",
    ],
)
def test_a_name_that_somebody_else_made_point_here_is_refused(host: str) -> None:
    """DNS rebinding: host and origin are equal, and both are the attacker's."""
    for headers in ({"host": host}, {"host": host, "origin": f"http://{host}"}):
        with pytest.raises(ForbiddenError, match="not one of this machine"):
            Visitors().require(headers)


def test_without_a_host_nothing_is_known() -> None:
    with pytest.raises(ForbiddenError):
        Visitors().require({})


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://[::1"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    for visitors in (Visitors(), Visitors(any_name=True)):
        with pytest.raises(ForbiddenError, match="another site"):
            visitors.require({"host": "127.0.0.1:7860", **headers})


def test_friends_are_let_in() -> None:
    headers = {"host": "proxy.example", "origin": "https://a.friend.example"}
    Visitors(origins=("https://a.friend.example",)).require(headers)
    Visitors(origins=("*",)).require(headers)
    Visitors(pattern=r"https://.*\.friend\.example").require(headers)
    with pytest.raises(ForbiddenError):
        Visitors(pattern=r"https://a").require(headers)
    Visitors(any_name=True).require({"host": "proxy.example", "origin": "http://proxy.example"})


def test_the_port_is_no_part_of_the_name() -> None:
    assert host_name("A.Example:80") == "a.example"
    assert host_name("[FE80::1]:80") == "fe80::1"
    assert host_name("a/b") == host_name("a:port") == ""


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.1.2", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(address: str, here: bool) -> None:
    assert is_loopback(address) is here


# --- bodies -----------------------------------------------------------------------------------


def read(*chunks: bytes, headers: dict[str, str] = JSON, wait: float = 0, **how: Any) -> Any:
    taken: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            taken.append(len(chunk))
            await asyncio.sleep(wait)
            yield chunk

    try:
        return asyncio.run(read_object(headers, body(), **how))
    finally:
        read.taken = sum(taken)  # type: ignore[attr-defined]


def test_an_object_is_read_in_parts() -> None:
    assert read(b'{"a":', b" [1, 2.5, null]}") == {"a": [1, 2.5, None]}
    assert read(headers={}) == {}


def test_a_large_body_is_refused_before_it_is_read() -> None:
    with pytest.raises(LargeRequestError):
        read(b"x" * 200, headers={**JSON, "content-length": "200"}, most=100)
    assert read.taken == 0  # type: ignore[attr-defined]
    with pytest.raises(LargeRequestError):
        read(*[b"x" * 60] * 50, most=100)
    assert read.taken == 120, "no more than it takes to know"  # type: ignore[attr-defined]
    for declared in ("-1", "9" * 5000, "ten", "²"):
        with pytest.raises(LargeRequestError):
            read(b"{}", headers={**JSON, "content-length": declared})


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(SlowRequestError):
        read(b"{", b"}", wait=0.2, seconds=0.05)
    with pytest.raises(SlowRequestError):
        read(*[b" "] * 50, wait=0.02, seconds=0.1)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_forms_of_other_sites_are_no_json(kind: str) -> None:
    with pytest.raises(MediaTypeError):
        read(b'{"a": 1}', headers={"content-type": kind})


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": ' + b"9" * 100_000 + b"}",
        b'{"a": ' + b"[" * 400_000,
        b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"a": ' * 20 + b"1" + b"}" * 20,
        json.dumps({"a": list(range(2000))}).encode(),
        json.dumps(dict.fromkeys(map(str, range(2000)))).encode(),
        '{"a": 1}'.encode("utf-16"),
    ],
    ids=range(15),
)
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError):
        parse_object(data)
