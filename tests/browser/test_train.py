"""A first training, as somebody does it who has never seen the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ti_core.files.reading import read_embedding

from . import test_axe, test_other_tabs
from .hands import (
    LONG,
    Hands,
    at,
    fill,
    fill_train,
    open_form,
    open_tab,
    state,
    step,
    unfold,
    wait_for_step,
)


def test_a_first_training_takes_at_most_four_clicks_and_fields(page: Page, site: Path) -> None:
    hands = Hands(page)
    expect(page.locator("#ti_outlook")).to_contain_text("Token allowance", timeout=LONG)
    expect(page.locator("#ti_outlook .ti-schedule")).to_be_visible()
    hands.fill("ti_train_token_string", "zz-disc")
    hands.fill("ti_train_init_word", "circle")
    hands.fill("ti_train_train_data_dir", "pictures")
    hands.click("Train Embedding")
    state(page, "running")
    assert hands.actions <= 4
    assert wait_for_step(page, 2) >= 2
    page.locator("#ti_interrupt").click()
    state(page, "stopped")
    assert read_embedding(site / "embeddings" / "zz-disc.safetensors").vectors
    expect(page.locator("#ti_job_progress")).to_contain_text("Write zz-disc in a prompt")


@pytest.mark.slow
def test_a_run_is_seen_paused_shown_interrupted_and_resumed(
    page: Page, context: BrowserContext, address: str
) -> None:
    open_form(page)
    fill_train(
        page,
        token_string="zz-second",
        train_data_dir="pictures",
        max_train_steps="400",
        sample_every_n_steps="400",
        sample_steps="3",
    )
    page.get_by_role("button", name="Train Embedding", exact=True).click()
    state(page, "running")
    expect(page.locator("#ti_previews img").first).to_be_visible(timeout=LONG)
    wait_for_step(page, 2)
    page.locator("#ti_pause").click()
    state(page, "paused")
    widths = page.locator("#ti_live").evaluate("each => [each.scrollWidth, each.clientWidth]")
    assert widths[0] <= widths[1], "all of it is one below the other"

    other = context.new_page()  # a second browser, or the same one opened again
    other.goto(address)
    open_tab(other, "Train")
    state(other, "paused")
    expect(other.locator("#ti_job_progress")).to_contain_text("zz-second")
    expect(other.locator("#ti_pause")).to_be_hidden()
    other.locator("#ti_preview_now").click()
    expect(other.locator("#ti_previews img")).to_have_count(2, timeout=LONG)

    page.close()  # the job does not mind
    other.locator("#ti_go_on").click()
    state(other, "running")
    other.locator("#ti_interrupt").click()
    state(other, "stopped")
    reached = step(other)
    assert 2 <= reached < 800

    fill(other, "ti_train_token_string", "zz-second")
    expect(other.locator("body")).to_contain_text(f"is at step {reached} of 800", timeout=LONG)
    other.get_by_role("button", name="Resume", exact=True).click()
    state(other, "running")
    assert wait_for_step(other, reached + 1) > reached
    other.locator("#ti_interrupt").click()
    state(other, "stopped")
    other.close()


@pytest.mark.slow
def test_what_waits_outlives_its_page_and_begins_by_itself(
    page: Page, context: BrowserContext, address: str
) -> None:
    open_form(page)
    fill_train(
        page,
        token_string="zz-first",
        train_data_dir="pictures",
        max_train_steps="400",
    )
    page.get_by_role("button", name="Train Embedding", exact=True).click()
    state(page, "running")
    for name in ("zz-next", "zz-last"):
        fill(page, "ti_train_token_string", name)
        page.locator("#ti_queue_add").click()
        expect(page.locator("#ti_queue")).to_contain_text(name, timeout=LONG)
    page.close()
    other = context.new_page()
    other.goto(address)
    open_tab(other, "Train")
    expect(other.locator("#ti_queue")).to_contain_text("2. zz-last", timeout=LONG)
    other.locator("#ti_queue_remove").click()
    expect(other.locator("#ti_queue")).to_contain_text("1. zz-last", timeout=LONG)
    other.locator("#ti_interrupt").click()
    expect(other.locator("#ti_job_progress")).to_contain_text("zz-last", timeout=LONG)
    state(other, "running")
    expect(other.locator("#ti_queue")).to_be_hidden(timeout=LONG)
    other.locator("#ti_interrupt").click()
    state(other, "stopped")
    other.close()


def test_what_is_wrong_is_said_where_the_buttons_are(page: Page) -> None:
    open_form(page)
    fill(page, "ti_train_token_string", "zz-third")
    fill(page, "ti_train_learning_rate", "0.005:abc")
    page.get_by_role("button", name="Train Embedding", exact=True).click()
    message = page.locator("#ti_train_message").first
    expect(message).to_contain_text("is not a rate", timeout=LONG)
    expect(message).to_contain_text("Embedding Learning rate")
    rate = page.locator("#ti_train_learning_rate")
    expect(rate).to_have_attribute("data-ti-wrong", re.compile("is not a rate"), timeout=LONG)
    expect(rate.locator("input, textarea").first).to_have_attribute("aria-invalid", "true")
    fill(page, "ti_train_learning_rate", "0.005")
    fill(page, "ti_train_train_data_dir", "no-such-folder")
    page.get_by_role("button", name="Train Embedding", exact=True).click()
    state(page, "failed")
    expect(page.locator("#ti_job_progress .ti-error")).to_contain_text("no-such-folder")
    folder = page.locator("#ti_train_train_data_dir")
    expect(folder).to_have_attribute("data-ti-wrong", re.compile("no-such-folder"), timeout=LONG)
    expect(rate).not_to_have_attribute("data-ti-wrong", re.compile("."))


@pytest.mark.slow
def test_a_folder_is_completed_with_a_click(page: Page) -> None:
    open_form(page)
    fill(page, "ti_train_train_data_dir", "pict")
    page.locator("#ti_folder_about .ti-path").filter(has_text="pictures").click()
    field = page.locator("#ti_train_train_data_dir").locator("input, textarea").first
    expect(field).to_have_value(re.compile(r"/pictures$"))
    expect(at(page, "ti_folder_about")).to_contain_text("image(s)", timeout=LONG)


@pytest.mark.slow
def test_a_name_with_html_in_it_is_text(page: Page) -> None:
    name = "<img src=x onerror=window.hurt=1>"
    open_form(page)
    fill(page, "ti_train_token_string", name)
    fill(page, "ti_train_train_data_dir", f"/tmp/{name}")
    page.get_by_role("button", name="Train Embedding", exact=True).click()
    expect(page.locator("#ti_train_message .ti-error").first).to_contain_text("<img", timeout=LONG)
    open_tab(page, "Create")
    fill(page, "ti_create_token_string", name)
    page.get_by_role("button", name="Create embedding", exact=True).click()
    expect(page.locator("#ti_create_message .ti-error").first).to_contain_text("<img", timeout=LONG)
    assert page.evaluate("window.hurt") is None


def test_an_embedding_is_created_and_offered_for_training(page: Page, site: Path) -> None:
    open_tab(page, "Create")
    fill(page, "ti_create_token_string", "zz-made")
    fill(page, "ti_create_init_word", "red circle")
    fill(page, "ti_create_num_vectors_per_token", "2")
    page.get_by_role("button", name="Create embedding", exact=True).click()
    expect(page.locator("#ti_create_message").first).to_contain_text("is made", timeout=LONG)
    assert read_embedding(site / "embeddings" / "zz-made.safetensors").count == 2
    open_tab(page, "Train")
    expect(page.locator("#ti_train_token_string input")).to_have_value("zz-made", timeout=LONG)


@pytest.mark.slow
def test_a_sweep_is_seen_with_its_fold_closed(
    page: Page, context: BrowserContext, address: str
) -> None:
    open_form(page)
    expect(page.locator("#ti_interrupt_sweep")).to_be_disabled()
    fill_train(
        page,
        token_string="zz-swept",
        train_data_dir="pictures",
        max_train_steps="200",
    )
    unfold(page, "Sweep")
    fill(page, "ti_sweep_values", "learning_rate=0.005,0.001")
    page.locator("#ti_sweep_start").click()
    state(page, "running", "sweep")
    page.close()
    other = context.new_page()
    other.goto(address)
    state(other, "running", "sweep")
    other.locator("#ti_job_progress_sweep").scroll_into_view_if_needed()  # below, on a phone
    other.locator("#ti_interrupt_sweep").click()
    state(other, "stopped", "sweep")
    other.close()


def test_the_menu_of_tabs_stays_open_while_the_page_looks_for_news(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 900})
    page.locator("#ti_tabs .overflow-menu > button").click()
    last = page.locator("#ti_tabs .overflow-dropdown > button").last
    expect(last).to_be_visible()
    page.wait_for_timeout(3000)  # the page asks every second after a click
    expect(last).to_be_visible()


def test_the_library_fills_itself_and_believes_no_file(page: Page, site: Path) -> None:
    (site / "embeddings").mkdir(exist_ok=True)
    test_other_tabs.add_hostile_file(site)
    open_tab(page, "Library")
    expect(page.get_by_text("1 skipped")).to_be_visible()
    page.get_by_text("1 skipped").click()
    name = f"{test_other_tabs.EVIL}.pt"
    expect(page.get_by_role("cell", name=name, exact=True)).to_be_visible()
    assert page.evaluate("window.taken") is None
    assert not (site / "taken").exists()


def test_it_has_no_serious_finding_of_axe(page: Page, address: str) -> None:
    test_axe.look(page, address, "train", "light")
