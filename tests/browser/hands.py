"""What a visitor does on the panel, alone or inside of a web UI."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Locator, Page, expect

LONG = 120_000
"""Milliseconds; a test machine may have other work."""


_TABS = "button[role=tab], .tab-nav > button, .overflow-dropdown > button"
"""Newer gradios, 3.41, and what has no room on a narrow page of newer ones."""
_MORE_TABS = ".overflow-menu > button"


def open_tab(page: Page, name: str, among: str = "#ti_tabs") -> None:
    """Click a tab, by the word on it in any letter case; the panel's if not said otherwise."""
    words = re.compile(rf"^\s*{re.escape(name)}\s*$", re.IGNORECASE)
    bar = page.locator(among).first
    found = bar.locator(_TABS).filter(has_text=words)
    found.first.wait_for(state="attached")
    if not found.locator("visible=true").count():
        bar.locator(_MORE_TABS).first.click()
    found.locator("visible=true").first.click()


def open_form(page: Page) -> None:
    """Open Train with its folds, and wait until a page that is new has filled it in as at the last
    training."""
    open_tab(page, "Train")
    expect(at(page, "ti_outlook")).to_contain_text("Token allowance", timeout=LONG)
    unfold_all(page)


def at(page: Page, element_id: str) -> Locator:
    """An element; gradio 3.41 gives an HTML's name to two of them, one inside the other."""
    return page.locator(f"#{element_id}").first


def fill(page: Page, element_id: str, text: str) -> None:
    """Type into a field; of a slider, into its number."""
    field = page.locator(f"#{element_id} textarea, #{element_id} input").first
    field.fill(text)  # an event "input" alone, as a paste by mouse
    field.evaluate("field => field.blur()")


def fill_train(page: Page, **settings: str) -> None:
    """Type into fields of Train: the name of a setting → its text."""
    for name, text in settings.items():
        fill(page, f"ti_train_{name}", text)


def choose(page: Page, element_id: str, text: str) -> None:
    """Take an entry of a dropdown, by a part of it."""
    page.locator(f"#{element_id} input").first.click()
    page.locator(f"#{element_id} li, [role=option]").filter(has_text=text).first.click()


def unfold(page: Page, title: str) -> None:
    """Open an accordion."""
    page.locator(".label-wrap").filter(has_text=title).locator("visible=true").first.click()


FOLDS = {"prompts": "Prompts and captions", "learning": "Learning", "output": "Output"}
"""Those of Train."""


def unfold_all(page: Page) -> None:
    """Open the folds of Train that are closed."""
    for name in FOLDS:
        label = page.locator(f"#ti_fold_{name} .label-wrap").first
        if "open" not in (label.get_attribute("class") or "").split():
            label.click()


class Hands:
    """Counts what a visitor does."""

    def __init__(self, page: Page) -> None:
        self.page, self.actions = page, 0

    def open_tab(self, name: str) -> None:
        open_tab(self.page, name)
        self.actions += 1

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
        self.actions += 1

    def fill(self, element_id: str, text: str) -> None:
        fill(self.page, element_id, text)
        self.actions += 1


def state(page: Page, wanted: str, kind: str = "", timeout: int = LONG) -> None:
    """Wait until the job stands so; `kind` is that of the tab, Train's without."""
    progress = f"#ti_job_progress_{kind}" if kind else "#ti_job_progress"
    shown = page.locator(f"{progress} [data-state={wanted}]").first
    expect(shown).to_be_visible(timeout=timeout)


def step(page: Page) -> int:
    """The step that the training has reached."""
    text = page.locator("#ti_job_progress .ti-figures").first.inner_text(timeout=LONG)
    return int(re.search(r"step\s+([\d,]+) of", text)[1].replace(",", ""))  # type: ignore[index]


def wait_for_step(page: Page, wanted: int) -> int:
    """Wait for a step, and return the one that is seen then."""
    end = time.monotonic() + LONG / 1000
    while time.monotonic() < end:
        if step(page) >= wanted:
            return step(page)
        time.sleep(0.2)
    raise AssertionError(f"the training stays at step {step(page)}")
