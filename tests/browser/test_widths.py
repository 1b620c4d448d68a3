"""The panel on a telephone, on a wide window, and without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from .hands import at, open_tab, state

TABS = ("Train", "Try", "Model", "Data", "Compare", "Library", "Hypernetwork", "Create")
_MENU = "#ti_tabs .overflow-menu > button"
_MOST_TABS = 300
"""Presses of Tab; there are fewer fields."""


@pytest.mark.parametrize("width", [360, pytest.param(2560, marks=pytest.mark.slow)])
def test_no_tab_is_wider_than_its_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(1000)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    open_tab(page, "Train")
    expect(page.locator("#ti_train_button")).to_be_in_viewport(ratio=1)


def test_the_menu_of_tabs_stays_open_while_the_page_looks_for_news(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 900})
    page.locator(_MENU).click()
    last = page.locator("#ti_tabs .overflow-dropdown > button").last
    expect(last).to_be_visible()
    page.wait_for_timeout(3000)  # the page asks every second after a click
    expect(last).to_be_visible()


def test_a_training_is_begun_and_interrupted_with_the_keyboard_alone(page: Page) -> None:
    expect(at(page, "ti_train_token_string")).to_be_visible()
    _type(page, "#ti_train_token_string input, #ti_train_token_string textarea", "zz-keys\n")
    _type(page, "#ti_train_init_word textarea, #ti_train_init_word input", "circle")
    _type(page, "#ti_train_train_data_dir input, #ti_train_train_data_dir textarea", "pictures")
    _reach(page, page.locator("#ti_train_button"))
    page.keyboard.press("Enter")
    state(page, "running")
    _reach(page, page.locator("#ti_interrupt"))
    page.keyboard.press("Enter")
    state(page, "stopped")


def _type(page: Page, field: str, text: str) -> None:
    _reach(page, page.locator(field).first)
    page.keyboard.type(text)


def _reach(page: Page, wanted: Locator) -> None:
    """Press Tab until it has the focus, and see that this is shown."""
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            break
    expect(wanted).to_be_focused()
