"""The panel on a telephone, on a wide window, and without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from .hands import at, open_tab, state

TABS = ("Train", "Try", "Model", "Data", "Compare", "Library", "Hypernetwork", "Create")
_MOST_TABS = 300
"""Presses of Tab; there are fewer fields."""


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 2560])
def test_no_tab_is_wider_than_its_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(1000)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    open_tab(page, "Train")
    expect(page.locator("#ti_train_button")).to_be_in_viewport(ratio=1)


@pytest.mark.slow
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
