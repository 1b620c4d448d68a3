"""`ti ui` behind a reverse proxy that shows it under a path of its own."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from playwright.sync_api import BrowserContext, expect

from .conftest import START, environment, free_port, wait_for
from .hands import LONG, at, open_tab

PREFIX = "/studio/ti"


class Proxy(BaseHTTPRequestHandler):
    """Takes the prefix off, and passes on what comes back as it comes."""

    protocol_version = "HTTP/1.0"
    upstream = 0
    strays: ClassVar[list[str]] = []
    """Paths outside of the prefix that were asked for."""

    def _pass(self) -> None:
        if not self.path.startswith(PREFIX):
            self.strays.append(self.path)
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path[len(PREFIX) :] or "/"
        gone = (http.client.IncompleteRead, ConnectionError)  # the server is killed at the end
        there = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=300)
        with closing(there), suppress(*gone):
            there.request(self.command, path, body or None, dict(self.headers.items()))
            self._answer(there.getresponse())

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        with answer:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            while part := answer.read1(65536):
                self.wfile.write(part)
                self.wfile.flush()

    do_GET = do_POST = do_HEAD = _pass  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def proxied(site: Path) -> Iterator[str]:
    """Where the proxy shows the page."""
    port = free_port()
    command = [sys.executable, "-c", START, "--model", "demo", "--port", str(port)]
    with (site / "proxied.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--root_path", PREFIX],
            cwd=site,
            stdout=log,
            stderr=log,
            env=environment(),
            text=True,
        )
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        try:
            wait_for(f"http://127.0.0.1:{port}/ti/v1/jobs", server, site / "proxied.log")
            Proxy.upstream, Proxy.strays = port, []
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{proxy.server_port}{PREFIX}"
        finally:
            server.kill()
            server.wait()
            proxy.shutdown()
            proxy.server_close()


@pytest.mark.slow
def test_the_page_works_under_a_prefix(proxied: str, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{proxied}/?tab=library")
    expect(page.locator("#ti_library_refresh")).to_be_visible(timeout=LONG)
    open_tab(page, "Train")
    expect(at(page, "ti_outlook")).to_contain_text("Token allowance", timeout=LONG)
    assert f"{PREFIX}/?tab=train" in page.url
    picture = next((Path(__file__).parents[2] / "docs" / "webui").glob("*.png"))
    page.locator("#ti_dropped input[type=file]").set_input_files(str(picture))
    expect(page.locator("#ti_train_pictures img").first).to_be_visible(timeout=LONG)
    expect(at(page, "ti_folder_about")).to_contain_text("1 image(s)", timeout=LONG)
    wanted = page.locator("#ti_train_pictures img").first
    assert wanted.evaluate("image => image.complete && image.naturalWidth > 0")
    assert [path for path in Proxy.strays if "favicon" not in path] == []
