"""A real `ti ui`, and somebody on the network who wants more than the page gives."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .test_standalone import FAKE, ROOT, SECONDS, ask, free_port

TOKEN = "a-secret.of_ours"
IMPATIENT = FAKE.replace("from ti_webui import standalone", "from ti_webui import gate, standalone")
IMPATIENT = IMPATIENT.replace("sys.exit", "gate.MOST_SECONDS = 2\nsys.exit")
FORM = "content-type: text/plain"


class Server:
    """A running `ti ui`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-c", IMPATIENT, "--port", str(self.port)]
        command += ["--model", "demo", *options]
        path = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=folder, env=path)

    def ready(self) -> None:
        """Wait for it."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                assert time.monotonic() < end, "nobody answers"
                time.sleep(0.2)

    def send(self, *parts: bytes | float) -> tuple[int, bytes]:
        """(status, all that came back) of bytes as they are; numbers are seconds to wait."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as line:
            try:
                for part in parts:
                    if isinstance(part, bytes):
                        line.sendall(part)
                    else:
                        time.sleep(part)
            except OSError:
                pass  # it has answered and closed
            found = bytearray()
            try:
                while chunk := line.recv(65536):
                    found += chunk
            except OSError:
                pass
        return int(found.split(b" ", 2)[1]) if found.startswith(b"HTTP/1.1 ") else 0, bytes(found)

    def request(self, line: str, *headers: str, body: bytes = b"") -> tuple[int, bytes]:
        """The same for a request on 127.0.0.1."""
        known = {header.partition(":")[0] for header in headers}
        usual = {"host": f"127.0.0.1:{self.port}", "connection": "close"}
        usual |= {"content-length": str(len(body))} if body else {}
        more = [f"{name}: {value}" for name, value in usual.items() if name not in known]
        head = "\r\n".join([f"{line} HTTP/1.1", *more, *headers, "", ""])
        return self.send(head.encode("latin-1") + body)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """One for this machine, one with a token."""
    options: tuple[tuple[str, ...], ...] = ((), ("--token", TOKEN))
    made = [Server(tmp_path_factory.mktemp("page"), *some) for some in options]
    try:
        for server in made:
            server.ready()
        yield made[0], made[1]
    finally:
        for server in made:
            server.process.kill()
            server.process.wait()


@pytest.fixture
def page(servers: tuple[Server, Server]) -> Server:
    return servers[0]


def chunked(size: int, count: int) -> list[bytes]:
    return [f"{size:x}\r\n".encode() + b"x" * size + b"\r\n"] * count


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /ti/v1/jobs", (), 200),
        ("GET /ti/v1/jobs", ("host: evil.example",), 403),
        ("GET /ti/v1/jobs", ("host: 127.0.0.1.evil.example",), 403),
        ("GET /ti/v1/jobs", ("host: localhost:1@evil.example",), 403),
        ("GET /", ("host: evil.example",), 403),
        ("POST /ti/v1/jobs/x/stop", ("host: evil.example", "origin: http://evil.example"), 403),
        ("POST /ti/v1/jobs/x/stop", ("origin: http://evil.example",), 403),
        ("POST /ti/v1/jobs/x/stop", ("origin: null",), 403),
        ("POST /ti/v1/jobs/x/stop", ("sec-fetch-site: cross-site",), 403),
        ("POST /ti/v1/jobs/x/stop", (), 404),
        ("POST /gradio_api/queue/join", ("origin: http://evil.example", FORM), 403),
        ("GET /ti/v1/jobs/..%2f..%2fetc%2fpasswd", (), 404),
        ("GET /ti/v1/jobs/%00", (), 404),
        ("GET /ti/v1/jobs/%ff/events?after=1e9", (), 422),
    ],
)
def test_requests_of_strangers(
    page: Server, line: str, headers: tuple[str, ...], status: int
) -> None:
    assert page.request(line, *headers)[0] == status


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../../../etc/passwd",
        "/file=/etc/passwd",
        "/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/assets/../../../../../../../etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "//etc/passwd",
    ],
)
def test_no_address_is_a_file_of_the_server(page: Server, path: str) -> None:
    status, answer = page.request(f"GET {path}")
    assert b"root:" not in answer
    assert status in (307, 400, 403, 404, 422)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"settings": {"token_string": "x"}}', "text/plain", 415),
        (b"settings=x", "application/x-www-form-urlencoded", 415),
        (
            b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx\r\n--b--',
            "multipart/form-data",
            415,
        ),
        (b"[" * 500_000, "application/json", 422),
        (b"x" * 1_000_001, "application/json", 413),
        (b'{"resume": "\\ud800"}', "application/json", 422),
        (b'{"resume": "\xff"}', "application/json", 422),
        (json.dumps({"settings": {"seed": 10**25}}).encode(), "application/json", 422),
        (b'{"settings": {"seed": 1e999}}', "application/json", 422),
    ],
)
def test_bodies_of_strangers(page: Server, body: bytes, kind: str, status: int) -> None:
    found, answer = page.request("POST /ti/v1/jobs", f"content-type: {kind}", body=body)
    assert found == status, answer[:500]
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"what", "why", "fix"}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9"])
@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/ti/v1/jobs"])
def test_no_page_of_another_site_may_read(page: Server, origin: str, path: str) -> None:
    _, answer = page.request(f"GET {path}", f"origin: {origin}")
    assert b"access-control-allow-origin" not in answer.partition(b"\r\n\r\n")[0].lower()


def test_what_is_announced_as_huge_is_answered_at_once(page: Server) -> None:
    """If its body was waited for, the answer was 408."""
    kind = "content-type: application/json"
    assert page.request("POST /ti/v1/jobs", kind, "content-length: 2000000")[0] == 413
    assert page.request("POST /ti/v1/jobs", kind, f"content-length: {10**12}")[0] == 413
    assert page.request("POST /gradio_api/upload", f"content-length: {10**12}")[0] == 413


@pytest.mark.slow
def test_a_body_without_end_is_cut(page: Server) -> None:
    for path, count in (("/ti/v1/jobs", 40), ("/gradio_api/queue/join", 400)):
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        status, _ = page.send(head.encode(), *chunked(60_000, count))
        assert status in (0, 413), "it may close the connection under what is still being sent"
    assert ask(f"http://127.0.0.1:{page.port}/ti/v1/jobs") == []


def test_a_body_that_does_not_come_is_not_waited_for(page: Server) -> None:
    head = "POST /ti/v1/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head += "content-type: application/json\r\ncontent-length: 100\r\n\r\n"
    assert page.send(head.encode(), b"{")[0] == 408
    drops: list[Any] = [b" ", 0.5] * 8
    assert page.send(head.encode(), *drops)[0] == 408


def test_no_socket_is_opened(page: Server) -> None:
    handshake = (
        *("connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13"),
        *("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "origin: http://evil.example"),
    )
    paths = ("/", "/ti/v1/jobs", "/queue/join", "/gradio_api/queue/data")
    with ThreadPoolExecutor(len(paths)) as together:  # the server closes each after some seconds
        answers = together.map(lambda path: page.request(f"GET {path}", *handshake), paths)
    assert not {status for status, _ in answers} & {101, 0}


@pytest.mark.parametrize(
    "path",
    [
        "/%0d%0aset-cookie:%20a=b",
        "/%0d%0a%0d%0a<script>",
        "//evil.example/",
        "/%09/evil.example",
        "/%5cevil.example",
        "/%E2%80%A8x",
        "/%ff",
    ],
)
def test_the_right_token_leads_to_this_page_only(servers: tuple[Server, Server], path: str) -> None:
    status, answer = servers[1].request(f"GET {path}?token={TOKEN}&a=%0d%0ab:c")
    assert status == 303
    head = answer.partition(b"\r\n\r\n")[0].decode("ascii").lower().split("\r\n")[1:]
    names = [line.partition(":")[0] for line in head]
    assert names.count("set-cookie") == names.count("location") == 1
    location = next(line for line in head if line.startswith("location:")).partition(" ")[2]
    assert location.startswith("/")
    assert location[1:2] not in ("/", "\\")


def test_without_the_token_nothing_is_read(servers: tuple[Server, Server]) -> None:
    for headers in (("authorization: Bearer wrong",), ("cookie: ti_token=\xff",), ()):
        assert servers[1].request("GET /ti/v1/jobs", *headers)[0] == 401
    line, length = "POST /ti/v1/jobs", "content-length: 900000"
    assert servers[1].request(line, length)[0] == 401, "its body is not waited for: that is 408"
    assert servers[1].request("GET /ti/v1/jobs", f"authorization: Bearer {TOKEN}")[0] == 200
