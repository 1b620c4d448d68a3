"""axe-core finds nothing serious on any tab, in the light and in the dark."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from .hands import LONG, unfold_all

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
TABS = ("train", "try", "model", "data", "compare", "library", "hypernetwork", "create")
_THEIRS = 'aria-label="Empty value"'
"""An empty gallery of gradio: a div with an aria-label and without a role."""


def serious(page: Page, part: str = ":root") -> list[str]:
    """The elements of a part of the page that have serious or critical findings, with the rule."""
    script = "(part) => axe.run(part, {resultTypes: ['violations']})"
    found: dict[str, Any] = page.evaluate(script, part)
    worst = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    parts = [f"{one['id']}: {node['html']}" for one in worst for node in one["nodes"]]
    return [part for part in parts if _THEIRS not in part]


def look(page: Page, address: str, tab: str, theme: str) -> None:
    """Open a tab in a theme; it has no serious finding once nothing fades in any more."""
    page.goto(f"{address}/?tab={tab}&__theme={theme}")
    page.locator(f"#ti_tab_{tab}").first.wait_for(timeout=LONG)
    if tab == "train":
        unfold_all(page)
    page.add_script_tag(path=AXE)
    end = time.monotonic() + LONG / 1000
    while (found := serious(page)) and time.monotonic() < end:
        page.wait_for_timeout(1000)  # what fades in has less contrast on its way
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_no_tab_has_a_serious_finding(page: Page, address: str, tab: str, theme: str) -> None:
    look(page, address, tab, theme)
