"""Data and Library in a browser, with names and captions that try to be HTML."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding

from .hands import fill, open_tab

EVIL = "<img src=x onerror=window.taken=1>"


@pytest.fixture(scope="module")
def _hostile(site: Path) -> None:
    """Pictures, captions and an embedding with names that a page must not believe."""
    picture = next((site / "pictures").glob("*.png"))
    (site / "pictures" / f"{EVIL}.png").write_bytes(picture.read_bytes())
    (site / "pictures" / f"{EVIL}.txt").write_text(f"{EVIL} disc [name]", "utf-8")
    (site / "embeddings").mkdir(exist_ok=True)
    add_hostile_file(site)


def add_hostile_file(site: Path) -> None:
    """An embedding that is a program, with a name that is HTML."""
    (site / "embeddings" / f"{EVIL}.pt").write_bytes(b"cposix\nsystem\n(S'touch taken'\ntR.")


def captions(page: Page) -> None:
    open_tab(page, "Data")
    open_tab(page, "Captions and checkup")
    fill(page, "ti_data_folder", "pictures")
    page.locator("#ti_caption_open").click()
    expect(page.locator("#ti_caption_where")).to_contain_text("1 of 6")


@pytest.mark.slow
@pytest.mark.usefixtures("_hostile")
def test_captions_are_turned_saved_and_replaced(page: Page, site: Path) -> None:
    captions(page)
    page.locator("#ti_caption_next").click()
    expect(page.locator("#ti_caption_where")).to_contain_text("2 of 6")
    page.evaluate("document.addEventListener('keydown', (e) => { window.heard = e.key })")
    page.locator("#ti_caption_text textarea").fill("a green thing")
    page.locator("#ti_caption_text textarea").press("Control+Enter")
    expect(page.locator("#ti_caption_message")).to_contain_text("is saved")
    assert page.evaluate("window.heard") != "Enter"  # A1111's page listens, too
    assert (site / "pictures" / "00001-0-a green disc.txt").read_text("utf-8") == "a green thing"
    page.get_by_text("Find and replace").click()
    fill(page, "ti_caption_find", "disc")
    fill(page, "ti_caption_by", EVIL)
    page.locator("#ti_caption_search").click()
    expect(page.locator("#ti_caption_changes")).to_contain_text("5 caption(s) would change")
    page.locator("#ti_caption_apply").click()
    expect(page.locator("#ti_caption_message")).to_contain_text("5 caption(s) changed")
    page.locator("#ti_caption_undo").click()
    expect(page.locator("#ti_caption_message")).to_contain_text("put back")
    assert page.evaluate("window.taken") is None


@pytest.mark.slow
@pytest.mark.usefixtures("_hostile")
def test_the_folder_is_typed_once_for_data_and_train(page: Page) -> None:
    captions(page)
    open_tab(page, "Train")
    field = page.locator("#ti_train_train_data_dir textarea, #ti_train_train_data_dir input").first
    expect(field).to_have_value("pictures")


def make(site: Path, name: str) -> Path:
    path = site / "embeddings" / f"{name}.safetensors"
    write_embedding(path, Embedding(name, {"clip_l": torch.ones(1, 32)}, 7))
    return path


@pytest.mark.slow
def test_an_embedding_is_renamed_noted_deleted_and_brought_back(page: Page, site: Path) -> None:
    path = make(site, "zz-old")
    open_tab(page, "Library")
    page.locator("#ti_library_cards").get_by_text("zz-old").click()
    answer = page.locator("#ti_library_files_answer")
    page.get_by_role("button", name="Rename and delete").click()
    expect(
        page.locator("#ti_library_rename_to textarea, #ti_library_rename_to input")
    ).to_have_value("zz-old")
    fill(page, "ti_library_rename_to", "zz-new")
    page.locator("#ti_library_rename").click()
    expect(answer).to_contain_text("zz-old is called zz-new now")
    new = path.with_name("zz-new.safetensors")
    assert (path.exists(), new.exists()) == (False, True)
    page.get_by_role("button", name=re.compile("^Notes")).click()
    fill(page, "ti_library_notes", "best at 0.7")
    page.locator("#ti_library_note").click()
    expect(answer).to_contain_text("noted in zz-new.json")
    assert json.loads(new.with_suffix(".json").read_text())["notes"] == "best at 0.7"
    page.locator("#ti_library_delete").click()
    page.locator("#ti_library_keep").click()
    expect(page.locator("#ti_library_bin")).to_be_hidden()
    page.locator("#ti_library_delete").click()
    page.locator("#ti_library_bin").click()
    expect(answer).to_contain_text("is in the bin")
    expect(page.locator("#ti_library_bin")).to_be_hidden()
    expect(page.locator("#ti_library_cards").get_by_text("zz-new")).to_have_count(0)
    assert not new.exists()
    page.locator("#ti_library_undo").click()
    expect(answer).to_contain_text("zz-new.safetensors is back")
    assert json.loads(new.with_suffix(".json").read_text())["notes"] == "best at 0.7"
    expect(page.locator("#ti_library_cards").get_by_text("zz-new")).to_be_visible()
