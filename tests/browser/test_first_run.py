"""From `ti ui` in an empty folder to a word tried in a picture, without leaving the page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ti_core.files.infotext import read_parameters
from ti_core.files.reading import read_embedding

from .conftest import serving
from .hands import LONG, Hands, at, fill, open_tab, state, step, unfold_all, wait_for_step

MOST = 6
"""Clicks and fields."""


@pytest.fixture
def fresh(tmp_path: Path, context: BrowserContext) -> Iterator[Page]:
    """The page of a `ti ui` that has nothing; an error in its scripts fails the test."""
    errors: list[str] = []
    (tmp_path / "models").mkdir()
    with serving(tmp_path, "--model_dirs", "models") as address:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
    assert errors == []


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("TI_SCREENSHOTS"):
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{folder}/first-{name}.png")


@pytest.mark.parametrize("steps", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_a_word_is_taught_and_tried_in_six_clicks_and_fields(
    fresh: Page, tmp_path: Path, steps: int
) -> None:
    """100 steps are those that the page fills in; a shorter run shows the same in less time."""
    hands, page = Hands(fresh), fresh
    expect(at(page, "ti_first_run_button")).to_be_visible(timeout=LONG)
    expect(at(page, "ti_header")).to_contain_text("none")
    shot(page, "1-empty")
    hands.click("Teach the demo model a word")
    expect(at(page, "ti_first_run_said")).to_contain_text("Press Train Embedding", timeout=LONG)
    expect(page.locator("#ti_train_token_string input").first).to_have_value("lily")
    shot(page, "2-filled-in")
    if steps < 100:
        unfold_all(page)
        fill(page, "ti_train_max_train_steps", str(steps))
    hands.click("Train Embedding")
    if steps >= 100:  # a fast processor makes eight before the page asks for the first time
        state(page, "running")
    wait_for_step(page, steps // 4)
    shot(page, "3-training")
    state(page, "done", timeout=4 * LONG)
    assert step(page) == steps
    shot(page, "4-finished")
    hands.click("Try it")
    expect(page.locator("#ti_try_prompt textarea")).to_have_value("a lily on a white background")
    shot(page, "5-prompt")
    if steps < 100:
        fill(page, "ti_try_steps", "4")
    hands.click("Generate")
    state(page, "done", "generate")
    expect(page.locator("#ti_try_pictures img")).to_have_count(2, timeout=LONG)
    shot(page, "6-pictures")
    assert hands.actions <= MOST
    assert read_embedding(tmp_path / "embeddings" / "lily.safetensors").step == steps
    made = sorted((tmp_path / "textual_inversion" / "pictures").iterdir())
    told = [read_parameters(path).split("\n")[0] for path in made]
    assert told == ["a lily on a white background", "a flower on a white background"]
    _read_back(page, made[1])
    expect(at(page, "ti_first_run_button")).to_be_hidden()


def _read_back(page: Page, picture: Path) -> None:
    """A dropped PNG fills the form in, and a click on a word adds it."""
    fill(page, "ti_try_prompt", "")
    page.locator("#ti_try_file input[type=file]").set_input_files(str(picture))
    prompt = page.locator("#ti_try_prompt textarea")
    expect(prompt).to_have_value("a flower on a white background", timeout=LONG)
    seed = page.locator("#ti_try_seed input").first
    expect(seed).to_have_value(picture.stem.split("-")[1])
    page.locator("#ti_try_words").get_by_text("lily", exact=True).click()
    expect(prompt).to_have_value("a flower on a white background lily", timeout=LONG)


@pytest.mark.slow
def test_a_model_is_loaded_and_unloaded(fresh: Page) -> None:
    page = fresh
    open_tab(page, "Model")
    expect(at(page, "ti_model_about")).to_contain_text("No model is loaded", timeout=LONG)
    page.locator("#ti_model_load").click()
    state(page, "done", "model")
    expect(at(page, "ti_model_about")).to_contain_text("SD 1.x", timeout=LONG)
    expect(at(page, "ti_header")).to_contain_text("SD 1.x", timeout=LONG)
    shot(page, "7-model")
    page.set_viewport_size({"width": 400, "height": 900})
    open_tab(page, "Train")
    expect(at(page, "ti_outlook")).to_contain_text("Model:", timeout=LONG)
    open_tab(page, "Try")
    expect(page.locator("#ti_try_generate")).to_be_visible()
    shot(page, "8-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    open_tab(page, "Model")
    page.locator("#ti_model_unload").click()
    expect(at(page, "ti_model_about")).to_contain_text("No model is loaded", timeout=LONG)
