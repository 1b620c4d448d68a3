"""`ti ui` with the demo model, and pages in Chromium."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.chromium import VIEWPORT, chromium
from tests.conftest import draw

from .hands import LONG

ROOT = Path(__file__).parents[2]
_SECONDS = 300.0
"""To open the model and the page, on a machine that has other work."""
expect.set_options(timeout=LONG)  # playwright's own 5 seconds are short on a busy machine
START = "import sys; from ti_webui.standalone import run; sys.exit(run(sys.argv[1:]))"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `ti ui` works; `pictures` in it are five drawn ones with captions."""
    folder = tmp_path_factory.mktemp("site")
    draw(folder / "pictures", captions=True)
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where `ti ui` answers."""
    with serving(site, "--model", "demo") as found:
        yield found


@contextmanager
def serving(site: Path, *options: str) -> Iterator[str]:
    """`ti ui` with some options, in a folder: its address."""
    port = free_port()
    command = [sys.executable, "-c", START, "--port", str(port), *options]
    with (site / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=site, stdout=log, stderr=log, env=environment(), text=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/ti/v1/jobs", server, site / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(_SECONDS)
            finally:
                server.kill()
                server.wait()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor with cookies of their own."""
    opened = browser.new_context(viewport=VIEWPORT)
    opened.set_default_timeout(90_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """The panel; an error in the page's own scripts fails the test."""
    errors: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(address)
    opened.locator("#ti_tabs").first.wait_for()
    yield opened
    assert errors == []


def environment() -> dict[str, str]:
    """That of `ti ui`."""
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False"}


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(address: str, server: subprocess.Popen[str], log: Path) -> None:
    """A server answers before its routes are there: wait for a route."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    pytest.fail(f"ti ui does not answer: {log.read_text()[-2000:]}")
