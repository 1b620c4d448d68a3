"""A page that was asleep, as behind a closed lid, shows what is so now when it wakes."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .hands import LONG, at, fill_train, open_form, state, step, wait_for_step

SOON = 60.0
"""Seconds in which a page that wakes is up to date, on a machine that has other work."""
Sleep = Callable[[BrowserContext, Page], AbstractContextManager[None]]


@contextmanager
def frozen(context: BrowserContext, page: Page) -> Iterator[None]:
    """No timer of the page runs, as where its machine sleeps."""
    tools = context.new_cdp_session(page)
    tools.send("Page.setWebLifecycleState", {"state": "frozen"})
    yield
    tools.send("Page.setWebLifecycleState", {"state": "active"})


@contextmanager
def offline(context: BrowserContext, page: Page) -> Iterator[None]:
    """The page asks, and nothing answers."""
    context.set_offline(True)
    yield
    context.set_offline(False)


def job(address: str) -> dict[str, object]:
    """The latest job, as programs see it."""
    with urllib.request.urlopen(f"{address}/ti/v1/jobs", timeout=60) as answer:
        found: dict[str, object] = json.load(answer)[0]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [15, 600])
@pytest.mark.parametrize("how", [frozen, offline])
def test_a_page_that_wakes_shows_how_far_the_training_is_and_its_end(
    page: Page, context: BrowserContext, address: str, how: Sleep, seconds: int
) -> None:
    open_form(page)
    fill_train(
        page,
        token_string="zz-asleep",
        train_data_dir="pictures",
        max_train_steps="5000",
        sample_every_n_steps="0",
    )
    page.get_by_role("button", name="Train Embedding", exact=True).click()
    state(page, "running")
    before = wait_for_step(page, 2)
    with how(context, page):
        time.sleep(seconds)
    now = int(str(job(address)["step"]))
    assert now > before
    end = time.monotonic() + SOON
    while step(page) < now and time.monotonic() < end:
        page.wait_for_timeout(200)
    assert step(page) >= now
    page.locator("#ti_interrupt").click()
    state(page, "stopped")
    expect(at(page, "ti_job_bar")).to_contain_text("stopped", timeout=LONG)
