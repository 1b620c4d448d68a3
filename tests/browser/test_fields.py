"""What a field shows is what is read, and a list that is open takes in what comes later: in A1111's
gradio and, with `-m slow`, in Forge's and the newest."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.hands import LONG, at
from tests.webui.gradio_environments import ROOT, python_with, versions

SCRIPT = ROOT / "javascript" / "textual_inversion_studio.js"
TABS = ("Create", "Data", "Train", "Compare", "Library")
FILL = """([field, text]) => {
    const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", {bubbles: true}));
}"""
"""As the browser's own filling-in, or a drop: the field is not entered, and there are no keys."""
IN_SIGHT = """(names) => names.filter((name) => {
    const field = document.querySelector(`#${name} textarea, #${name} input:not([type=range])`);
    return field && !field.disabled && field.checkVisibility({visibilityProperty: true});
})"""
_SECONDS = 300


@pytest.fixture(scope="module", params=versions("3.41.2"))
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the page under one version of gradio."""
    folder = tmp_path_factory.mktemp("fields")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(python_with(request.param)), "-m", "tests.browser.fields_page"]
    settings = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(
            [*command, str(folder), str(port)], cwd=ROOT, env=settings, stdout=log, stderr=log
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}", server, folder / "log.txt")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    pytest.fail(f"the page does not answer: {log.read_text()[-3000:]}")


@pytest.fixture
def page(browser: Browser, served: str) -> Iterator[Page]:
    """The page; our script is not in it yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.goto(served)
    opened.locator("#ti_tabs").first.wait_for()
    yield opened
    context.close()


def told(page: Page) -> dict[str, Any]:
    """What the program reads: name of the field → value."""
    before = page.locator("#told textarea").input_value()
    page.locator("#tell").click()
    expect(page.locator("#told textarea")).not_to_have_value(before, timeout=LONG)
    found: dict[str, Any] = json.loads(page.locator("#told textarea").input_value())
    return found


def open_tab(page: Page, name: str) -> None:
    page.locator("button[role=tab], .tab-nav > button").filter(has_text=name).first.click()


def unfold(page: Page) -> None:
    """Every accordion in sight."""
    for closed in page.locator(".label-wrap:not(.open)").locator("visible=true").element_handles():
        closed.click()


def another(value: Any, name: str, field: Locator) -> Any:
    """A value that the field can hold and does not."""
    if not isinstance(value, (int, float)):
        return f"typed {name}"
    low, high = (field.get_attribute(limit) for limit in ("min", "max"))
    return next(n for n in (float(high or 7), float(low or 0)) if n != value)


@pytest.mark.slow
def test_every_field_is_read_without_a_key(page: Page) -> None:
    """Some fields follow others: those are filled in first, and waited for."""
    page.add_script_tag(path=SCRIPT)
    first = told(page)
    assert len(first) > 60
    wanted: dict[str, Any] = {}
    names = sorted(first, key=lambda name: not name.endswith(("token_string", "train_data_dir")))
    for tab in TABS:
        open_tab(page, tab)
        for inner in ("Preprocess images", "Captions and checkup") if tab == "Data" else ("",):
            if inner:
                open_tab(page, inner)
            unfold(page)
            left = [name for name in names if name not in wanted]
            for name in page.evaluate(IN_SIGHT, left):
                field = page.locator(f"#{name} textarea, #{name} input:not([type=range])").first
                value = another(first[name], name, field)
                page.evaluate(
                    FILL,
                    [field.element_handle(), f"{value:g}" if isinstance(value, float) else value],
                )
                wanted[name] = value
                if name.endswith(("token_string", "train_data_dir")):
                    page.wait_for_timeout(2500)
    assert len(wanted) > 60
    wanted["ti_data_folder"] = wanted["ti_train_train_data_dir"]  # one folder, as written last
    now = told(page)
    assert {name: now[name] for name in wanted} == wanted


def test_the_folder_of_data_is_that_of_train_without_a_key(page: Page) -> None:
    page.add_script_tag(path=SCRIPT)
    open_tab(page, "Data")
    open_tab(page, "Captions and checkup")
    field = page.locator("#ti_data_folder textarea, #ti_data_folder input").first
    page.evaluate(FILL, [field.element_handle(), "/dropped"])
    open_tab(page, "Train")
    trained = page.locator("#ti_train_train_data_dir textarea, #ti_train_train_data_dir input")
    expect(trained.first).to_have_value("/dropped", timeout=LONG)


def test_a_word_that_is_pasted_with_the_mouse_is_read(page: Page) -> None:
    page.add_script_tag(path=SCRIPT)
    open_tab(page, "Train")
    expect(at(page, "ti_outlook")).to_contain_text("Token allowance", timeout=LONG)
    field = page.locator("#ti_train_token_string input").first
    field.click()
    page.evaluate("document.execCommand('insertText', false, 'zz-pasted')")
    page.wait_for_timeout(2500)  # what is told about the name moves the button
    assert told(page)["ti_train_token_string"] == "zz-pasted"


def test_a_list_that_was_opened_at_once_shows_what_comes_later(page: Page) -> None:
    open_tab(page, "Compare")
    page.locator("#ti_compare_run input").first.click()
    page.wait_for_timeout(500)
    assert page.locator("#ti_compare_run li, [role=option]").locator("visible=true").count() == 0
    page.add_script_tag(path=SCRIPT)
    entry = page.locator("#ti_compare_run li, [role=option]").filter(has_text="zz-past")
    entry.locator("visible=true").first.click()
    copies = page.locator("#ti_compare_copies label").filter(has_text="zz-past-000002")
    expect(copies.first).to_be_visible()
