"""Debian's Chromium without a window, driven by playwright.

A browser that is missing is a failure: what people see would be untested.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ViewportSize, sync_playwright

VIEWPORT: ViewportSize = {"width": int(os.environ.get("TI_BROWSER_WIDTH", "1280")), "height": 900}
"""Of the panel's pages, in pixels; every test of them can be run at another width."""
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser; its driver's event loop must be gone before tests without one begin."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.fail("there is no Chromium: apt-get install --no-install-recommends chromium")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
