"""The form after a training: remembered, loaded, taken back, copied; and the sound at the end."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .hands import LONG, fill, fill_train, open_form, open_tab, state

_EAR = """() => {
    window.heard = [];
    const place = document.createElement("div");
    place.id = "audio_notification";
    const audio = document.createElement("audio");
    audio.play = () => { window.heard.push(audio.volume); return Promise.resolve(); };
    place.append(audio);
    document.body.append(place);
    window.opts = {notification_volume: 40};
    window.shown = [];
    window.Notification = class {
        constructor(title, options) { window.shown.push(`${title}: ${options.body}`); }
    };
    window.Notification.permission = "granted";
    document.hasFocus = () => false;
}"""
"""What a web UI has: the sound of its settings, and leave to notify."""


def trained(page: Page, name: str) -> None:
    open_form(page)
    fill_train(
        page,
        token_string=name,
        init_word="circle",
        train_data_dir="pictures",
        max_train_steps="60",
        sample_every_n_steps="0",
    )
    page.get_by_role("button", name="Train Embedding", exact=True).click()
    state(page, "running")


@pytest.mark.slow
def test_the_end_is_heard_from_another_tab_and_the_form_is_remembered(
    page: Page, context: BrowserContext, address: str
) -> None:
    page.evaluate(_EAR)
    trained(page, "zz-heard")
    open_tab(page, "Library")
    page.wait_for_function("() => window.heard.length > 0", timeout=LONG)
    assert page.evaluate("() => window.heard") == [0.4]
    assert page.evaluate("() => window.shown") == ["Textual Inversion: zz-heard: done"]
    other = context.new_page()
    other.goto(address)
    open_form(other)
    steps = other.locator("#ti_train_max_train_steps input").first
    expect(steps).to_have_value("60", timeout=LONG)
    expect(other.locator("#ti_train_token_string input").first).to_have_value("")
    expect(other.locator("body")).to_contain_text("has the settings of the last training")
    fill(other, "ti_train_token_string", "zz-other")
    other.locator("#ti_form_command").click()
    other.wait_for_function(
        "() => document.querySelector('#ti_form_line textarea, #ti_form_line input')"
        "?.value.includes('--max_train_steps 60')",
        timeout=LONG,
    )
    other.locator("#ti_form_defaults").click()
    expect(steps).to_have_value("400", timeout=LONG)
    with other.expect_file_chooser() as chosen:
        other.locator("#ti_form_import").click()
    text = b"--max_train_steps 77 --network_module x"
    chosen.value.set_files({"name": "a.txt", "mimeType": "text/plain", "buffer": text})
    expect(steps).to_have_value("77", timeout=LONG)
    expect(other.locator("#ti_form_settings").first).to_contain_text("network_module is left out")
    other.set_viewport_size({"width": 400, "height": 900})
    buttons = other.locator("#ti_controls button").locator("visible=true")
    assert buttons.evaluate_all("all => all.every(each => each.scrollWidth <= each.clientWidth)")
    other.close()
