"""axe-core on our tab inside of real web UIs: gradio 3.41 in AUTOMATIC1111, 4.40 in Forge."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.hands import open_tab, unfold_all
from tests.browser.test_axe import AXE, serious

TABS = ("Train", "Data", "Compare", "Library", "Hypernetwork", "Create")


@pytest.mark.parametrize("tab", TABS)
def test_our_tab_has_no_serious_finding(page: Page, tab: str) -> None:
    open_tab(page, tab)
    if tab == "Train":
        unfold_all(page)
    page.wait_for_timeout(2000)  # what fades in has less contrast on its way
    page.add_script_tag(path=AXE)
    assert serious(page, "#ti_tabs") == []
