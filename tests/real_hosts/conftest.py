"""Web UIs that run, and pages of them in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.hands import open_tab
from tests.chromium import VIEWPORT, chromium

from .webui import EXTENSION, PROGRAMS, WebUI

_WAIT = 120_000


@pytest.fixture(scope="module", params=list(PROGRAMS))
def webui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A web UI for all tests of a file; none of them may leave a traceback in its log."""
    program = PROGRAMS[request.param]
    if not program.present:
        pytest.skip(f"needs {program.name.upper()}_PATH")
    server = WebUI(program, tmp_path_factory.mktemp(program.name))
    try:
        server.start()
        yield server
    finally:
        server.stop()
    assert "Traceback" not in server.log, server.log[-6000:]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a file."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor."""
    opened = browser.new_context(viewport=VIEWPORT)
    opened.set_default_timeout(_WAIT)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, webui: WebUI) -> Iterator[Page]:
    """The tab, opened; an error in the page's own scripts, or one of ours, fails the test."""
    errors: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.extend(_not_theirs(error)))
    opened.on("console", lambda said: errors.extend(_ours(said)))
    visit(opened, webui)
    yield opened
    assert errors == []


def visit(page: Page, webui: WebUI) -> None:
    """Open the web UI's page, and our tab on it."""
    page.goto(webui.address)
    open_tab(page, "Textual Inversion", among="#tabs")
    page.locator("#ti_tabs").first.wait_for()


def _not_theirs(error: Any) -> list[str]:
    """A1111's own sliders on txt2img raise this, with or without an extension."""
    return [] if "(reading 'props')" in str(error) else [f"{error} {error.stack}"]


def _ours(message: Any) -> list[str]:
    """What a web UI's own page does not find, offline, is not our business."""
    where = str(message.location.get("url", ""))
    if message.type != "error" or (
        "Failed to load resource" in message.text and EXTENSION not in where
    ):
        return []
    return [f"{message.text} ({where})"]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Seven drawn pictures of another shape than models are made for."""
    from PIL import Image, ImageDraw

    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(7):
        image = Image.new("RGB", (200, 140 + 10 * number), (40 * number % 255, 120, 200))
        ImageDraw.Draw(image).ellipse((30 + 9 * number, 30, 120, 120), fill="orange")
        image.save(folder / f"a round thing {number}.png")
    return folder
