"""The tab inside of a real web UI, as people use it: in a browser, on the processor.

    A1111_PATH=… A1111_PYTHON=… python -m pytest tests/real_hosts/test_webui_browser.py

`TI_SCREENSHOTS=<folder>` keeps pictures of every sub-tab. Checkpoints have random weights and
reduced sizes: what is proved is that everything works together, not that anything is learned.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.hands import (
    LONG,
    Hands,
    at,
    choose,
    fill,
    open_form,
    open_tab,
    state,
    step,
    unfold,
    unfold_all,
    wait_for_step,
)
from tests.conftest import draw
from ti_core.files.reading import read_embedding

from .conftest import visit
from .webui import EXTENSION, Picture, WebUI

PROMPT = "a photo of a tree on a hill"
WORD, HYPERNETWORK = "zz-real", "zz-style"
Shoot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five drawn pictures with captions."""
    return draw(tmp_path_factory.mktemp("data") / "pictures", captions=True)


@pytest.fixture(scope="module")
def before(webui: WebUI) -> Picture:
    """Of the fresh program."""
    return webui.picture(PROMPT)


@pytest.fixture
def shoot(webui: WebUI) -> Shoot:
    """Keep a picture of the page, where the environment asks for them."""

    def keep(page: Page, name: str) -> None:
        folder = os.environ.get("TI_SCREENSHOTS")
        if folder:
            page.wait_for_timeout(500)
            page.screenshot(path=f"{folder}/{webui.program.name}-{name}.png", full_page=True)

    return keep


def names(picture: Picture) -> str:
    """The embeddings that went into it: A1111 writes "TI hashes: name: hash", Forge "TI: name"."""
    return "".join(re.split(", TI(?: hashes)?: ", picture.infotext)[1:])


def seen(picture: Picture) -> tuple[bytes, str]:
    """Pixels and text, but for embeddings: reForge's may still name those of the picture before."""
    return picture.pixels, re.sub(', TI hashes: "[^"]*"', "", picture.infotext)


def order(page: Page, word: str, folder: Path, **settings: object) -> None:
    """Fill in a small training, and begin it."""
    open_tab(page, "Train")
    fill(page, "ti_train_token_string", word)
    fill(page, "ti_train_train_data_dir", str(folder))
    unfold_all(page)
    small = {"width": 64, "height": 64, "max_train_steps": 20, "sample_every_n_steps": 10}
    for name, value in {**small, **settings}.items():
        fill(page, f"ti_train_{name}", str(value))
    page.get_by_role("button", name="Train Embedding", exact=True).locator("visible=true").click()


def run_of(webui: WebUI, word: str) -> Path:
    """The folder of its newest run."""
    return max(webui.logs.glob(f"*/{word}*"), key=lambda path: path.stat().st_mtime)


def test_the_extensions_page_lists_it(page: Page, webui: WebUI, shoot: Shoot) -> None:
    open_tab(page, "Extensions", among="#tabs")
    expect(page.locator("#extensions")).to_contain_text(EXTENSION)
    shoot(page, "extensions")
    assert "error" not in webui.log.lower().split("running on local url")[0], webui.log


@pytest.mark.usefixtures("before")
def test_a_first_training_takes_at_most_six_clicks_and_fields(
    page: Page, webui: WebUI, pictures: Path
) -> None:
    hands = Hands(page)
    hands.open_tab("Train")
    expect(at(page, "ti_outlook")).to_contain_text("Token allowance", timeout=LONG)
    hands.fill("ti_train_token_string", "zz-first")
    hands.fill("ti_train_init_word", "circle")
    hands.fill("ti_train_train_data_dir", str(pictures))
    hands.click("Train Embedding")
    state(page, "running")
    assert hands.actions <= 6
    page.locator("#ti_interrupt").click()
    state(page, "stopped")
    assert read_embedding(webui.embeddings / "zz-first.safetensors").vectors


def test_twenty_steps_with_previews_teach_a_word_for_txt2img(
    page: Page, webui: WebUI, pictures: Path, before: Picture, shoot: Shoot
) -> None:
    plain = webui.picture(WORD)
    assert WORD not in names(plain)
    order(page, WORD, pictures, save_every_n_steps=10)
    state(page, "done")
    assert step(page) == 20
    expect(page.locator("#ti_previews img")).to_have_count(3, timeout=LONG)
    expect(at(page, "ti_job_progress")).to_contain_text(f"Write {WORD} in a prompt")
    shoot(page, "train")
    assert len(list((run_of(webui, WORD) / "images").glob("*.png"))) == 3
    taught = webui.picture(WORD)
    assert taught.pixels != plain.pixels
    assert WORD in names(taught)
    assert seen(webui.picture(PROMPT)) == seen(before)


def test_the_word_goes_to_txt2img_and_makes_a_picture_there(page: Page, shoot: Shoot) -> None:
    open_tab(page, "Train")
    page.locator("#ti_send_to_txt2img").click(timeout=LONG)
    prompt = page.locator("#txt2img_prompt textarea")
    expect(prompt).to_be_visible()
    expect(prompt).to_have_value(re.compile(f"{WORD}$"))
    for field, value in (("steps", 3), ("width", 64), ("height", 64)):
        fill(page, f"txt2img_{field}", str(value))
    page.locator("#txt2img_generate").click()
    expect(at(page, "html_info_txt2img")).to_contain_text(
        re.compile("TI( hashes)?: "), timeout=LONG
    )
    shoot(page, "txt2img")


def trained(webui: WebUI, word: str, pictures: Path, steps: int) -> int:
    """The step at which a training over the API began; it is waited for."""
    settings = {
        "token_string": word,
        "init_word": "circle",
        "train_data_dir": str(pictures),
        "resolution": [64, 64],
        "learning_rate": "0.02:30, 0.01:70, 0.005",
        "max_train_steps": steps,
        "sample_every_n_steps": 0,
    }
    at = f"/ti/v1/jobs/{webui.post('/ti/v1/jobs', {'settings': settings})['id']}"
    until = time.monotonic() + LONG / 1000
    while webui.get(at)["state"] == "running" and time.monotonic() < until:
        time.sleep(0.3)
    job = webui.get(at)
    assert job["state"] == "done"
    return int(job["first_step"])


def test_forty_steps_and_sixty_more_by_name_are_a_hundred_in_one_go(
    webui: WebUI, pictures: Path
) -> None:
    runs = (("zz-whole", 100), ("zz-part", 40), ("zz-part", 100))
    assert [trained(webui, word, pictures, steps) for word, steps in runs] == [0, 0, 40]
    whole, part = (
        read_embedding(webui.embeddings / f"{word}.safetensors") for word in ("zz-whole", "zz-part")
    )
    assert whole.step == part.step == 100
    assert {key: rows.tolist() for key, rows in whole.vectors.items()} == {
        key: rows.tolist() for key, rows in part.vectors.items()
    }


def test_settings_of_another_program_are_imported(page: Page, shoot: Shoot) -> None:
    open_form(page)
    with page.expect_file_chooser() as chosen:
        page.locator("#ti_form_import").click()
    text = b"--max_train_steps 77 --network_module x"
    chosen.value.set_files({"name": "a.txt", "mimeType": "text/plain", "buffer": text})
    steps = page.locator("#ti_train_max_train_steps input").first
    expect(steps).to_have_value("77", timeout=LONG)
    expect(at(page, "ti_form_settings")).to_contain_text("network_module is left out")
    shoot(page, "imported")


@pytest.mark.parametrize("width", [400, 1000])
def test_train_fits_the_width_of_the_window(page: Page, width: int, shoot: Shoot) -> None:
    """Nothing is cut off, and what starts a training stays in sight."""
    page.set_viewport_size({"width": width, "height": 900})
    open_form(page)
    shoot(page, f"train-{width}")
    page.locator("#ti_fold_output").scroll_into_view_if_needed()
    expect(page.locator("#ti_train_button")).to_be_in_viewport(ratio=1)
    buttons = page.locator("#ti_bar button").locator("visible=true")
    assert buttons.evaluate_all("all => all.every(each => each.scrollWidth <= each.clientWidth)")
    folder = os.environ.get("TI_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/train-{width}-scrolled.png")


def test_a_run_is_interrupted_and_resumed_whatever_becomes_of_the_page(
    page: Page, context: BrowserContext, webui: WebUI, pictures: Path
) -> None:
    order(page, "zz-long", pictures, max_train_steps=2000, sample_every_n_steps=0)
    state(page, "running")
    wait_for_step(page, 2)
    page.close()
    other = context.new_page()
    visit(other, webui)
    open_tab(other, "Train")
    state(other, "running")
    expect(at(other, "ti_job_progress")).to_contain_text("zz-long")
    seen = step(other)
    assert wait_for_step(other, seen + 1) > seen
    other.locator("#ti_interrupt").click()
    state(other, "stopped")
    reached = step(other)
    fill(other, "ti_train_token_string", "zz-long")
    expect(other.locator("body")).to_contain_text(f"is at step {reached} of", timeout=LONG)
    other.locator("#ti_resume").click()
    state(other, "running")
    assert wait_for_step(other, reached + 1) > reached
    other.locator("#ti_interrupt").click()
    state(other, "stopped")
    other.close()


def test_a_word_is_read_however_it_comes(page: Page, webui: WebUI, pictures: Path) -> None:
    """Pasted with the mouse into one field, dropped into the other: no key is pressed."""
    open_tab(page, "Train")
    page.locator("#ti_train_token_string input").first.click()
    page.evaluate("document.execCommand('insertText', false, 'zz-pasted')")
    page.locator(
        "#ti_train_train_data_dir textarea, #ti_train_train_data_dir input"
    ).first.evaluate(
        """(field, text) => {
            field.value = text;
            field.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        str(pictures),
    )
    unfold_all(page)
    for name in ("width", "height"):
        fill(page, f"ti_train_{name}", "64")
    fill(page, "ti_train_max_train_steps", "2")
    fill(page, "ti_train_sample_every_n_steps", "0")
    page.locator("#ti_train_button").click()
    state(page, "done")
    expect(at(page, "ti_job_progress")).to_contain_text("zz-pasted")
    assert read_embedding(webui.embeddings / "zz-pasted.safetensors").step == 2


@pytest.mark.parametrize("folder", ["", "  ", "."])
def test_the_programs_own_folder_is_never_trained_on(
    folder: str, page: Page, webui: WebUI, shoot: Shoot
) -> None:
    open_tab(page, "Train")
    before = webui.get("/ti/v1/jobs")
    fill(page, "ti_train_token_string", "zz-empty")
    fill(page, "ti_train_train_data_dir", folder)
    page.locator("#ti_train_button").click()
    message = at(page, "ti_train_message")
    expect(message).to_contain_text("“Dataset directory”", timeout=LONG)
    if not folder:
        expect(message).to_contain_text("is empty")
        shoot(page, "empty-folder")
    assert webui.get("/ti/v1/jobs") == before
    assert not (webui.embeddings / "zz-empty.safetensors").exists()


def test_after_a_crash_the_run_is_offered_and_goes_on(
    page: Page, context: BrowserContext, webui: WebUI, pictures: Path, shoot: Shoot
) -> None:
    order(page, "zz-crash", pictures, max_train_steps=5000, sample_every_n_steps=0)
    state(page, "running")
    wait_for_step(page, 2)
    page.locator("#ti_save_now").click()
    wait_for_step(page, step(page) + 2)
    assert list((run_of(webui, "zz-crash") / "state").iterdir())
    page.close()
    webui.crash()
    other = context.new_page()
    visit(other, webui)
    open_tab(other, "Train")
    chosen = other.locator("#ti_unfinished input").first
    expect(chosen).to_have_value(re.compile(r"zz-crash, step \d+ of 5000"), timeout=LONG)
    expect(other.locator("#ti_unfinished_runs img").first).to_be_visible()
    shoot(other, "unfinished")
    other.locator("#ti_resume").click()
    state(other, "running")
    reached = step(other)
    assert reached >= 2
    expect(at(other, "ti_job_progress").locator("svg").first).to_be_visible()
    assert wait_for_step(other, reached + 1) > reached

    third = context.new_page()  # opened while it goes on: the form is that of the job
    visit(third, webui)
    open_tab(third, "Train")
    expect(third.locator("#ti_train_token_string input").first).to_have_value("zz-crash")
    folder = third.locator("#ti_train_train_data_dir textarea, #ti_train_train_data_dir input")
    expect(folder.first).to_have_value(str(pictures))
    shoot(third, "opened-again")
    third.locator("#ti_interrupt").click()
    state(third, "stopped")
    third.close()
    other.close()


def test_previews_are_made_as_the_txt2img_page_says(
    page: Page, webui: WebUI, pictures: Path
) -> None:
    open_tab(page, "txt2img", among="#tabs")
    page.locator("#txt2img_prompt textarea").fill("[name] in a garden")
    page.locator("#txt2img_neg_prompt textarea").fill("fog")
    for field, value in (("steps", 4), ("width", 64), ("height", 72), ("cfg_scale", 3)):
        fill(page, f"txt2img_{field}", str(value))
    fill(page, "txt2img_seed", "77")
    open_tab(page, "Textual Inversion", among="#tabs")
    open_form(page)
    page.locator("#ti_train_preview_from_txt2img input").check()
    order(page, "zz-seen", pictures, max_train_steps=2, sample_every_n_steps=2)
    expect(at(page, "ti_job_progress")).to_contain_text("zz-seen", timeout=LONG)
    state(page, "done")
    told = json.loads((run_of(webui, "zz-seen") / "settings.json").read_text())["train"]["preview"]
    assert told["sample_prompts"] == "[name] in a garden --n fog --w 64 --h 72"
    assert (told["sample_steps"], told["sample_seed"]) == (4, 77)
    assert told["sample_cfg_scale"] == 3


def test_an_embedding_is_created_and_is_a_word_at_once(
    page: Page, webui: WebUI, shoot: Shoot
) -> None:
    open_tab(page, "Create")
    fill(page, "ti_create_token_string", "zz-made")
    fill(page, "ti_create_init_word", "red circle")
    fill(page, "ti_create_num_vectors_per_token", "2")
    page.locator("#ti_create_button").click()
    expect(page.locator("#ti_create_message").first).to_contain_text("is made", timeout=LONG)
    shoot(page, "create")
    assert "zz-made" in names(webui.picture("zz-made"))
    assert webui.picture("zz-made").pixels == webui.picture("red circle").pixels


def test_photographs_become_a_dataset_with_captions(
    page: Page, photographs: Path, shoot: Shoot
) -> None:
    open_tab(page, "Data")
    fill(page, "ti_preprocess_source", str(photographs))
    fill(page, "ti_preprocess_width", "64")
    fill(page, "ti_preprocess_height", "64")
    page.locator("#ti_preprocess_button").click()
    state(page, "done", "preprocess")
    expect(at(page, "ti_preprocess_result")).to_contain_text("7 image(s) made of 7")
    expect(page.locator("#ti_preprocess_pictures img")).to_have_count(7)
    shoot(page, "preprocess")
    made = photographs.with_name("photographs-processed")
    assert len(list(made.glob("*.png"))) == 7

    open_tab(page, "Captions and checkup")
    expect(page.locator("#ti_data_folder textarea, #ti_data_folder input")).to_have_value(str(made))
    page.locator("#ti_checkup_button").click()
    expect(at(page, "ti_checkup")).to_contain_text("7 image(s)", timeout=LONG)
    page.locator("#ti_caption_open").click()
    expect(at(page, "ti_caption_where")).to_contain_text("1 of 7")
    page.locator("#ti_caption_next").click()
    expect(at(page, "ti_caption_where")).to_contain_text("2 of 7")
    page.locator("#ti_caption_text textarea").fill("an orange thing [name]")
    page.locator("#ti_caption_text textarea").press("Control+Enter")
    expect(at(page, "ti_caption_message")).to_contain_text("is saved")
    shoot(page, "captions")
    assert "an orange thing [name]" in [path.read_text("utf-8") for path in made.glob("*.txt")]


def test_a_copy_is_compared_and_used(page: Page, webui: WebUI, shoot: Shoot) -> None:
    now = webui.picture(WORD)
    open_tab(page, "Compare")
    choose(page, "ti_compare_run", WORD)
    expect(at(page, "ti_compare_copies")).to_contain_text(f"{WORD}-000010")
    unfold(page, "More: Images")
    for field, value in (("steps", 3), ("width", 64), ("height", 64)):
        fill(page, f"ti_compare_{field}", str(value))
    page.locator("#ti_compare_button").click()
    state(page, "done", "compare")
    expect(at(page, "ti_compare_ratings")).to_contain_text("best copy")
    expect(page.locator("#ti_compare_sheets img").first).to_be_visible()
    choose(page, "ti_compare_copy", f"{WORD}-000010")
    shoot(page, "compare")
    page.locator("#ti_compare_replace input").check()
    page.locator("#ti_compare_use_button").click()
    expect(at(page, "ti_compare_answer")).to_contain_text(f"is {WORD} now", timeout=LONG)
    copy = read_embedding(run_of(webui, WORD) / "embeddings" / f"{WORD}-000010.safetensors")
    used = read_embedding(webui.embeddings / f"{WORD}.safetensors")
    assert {key: rows.tolist() for key, rows in used.vectors.items()} == {
        key: rows.tolist() for key, rows in copy.vectors.items()
    }
    assert webui.picture(WORD).pixels != now.pixels


def test_a_hypernetwork_is_trained_compared_and_used(
    page: Page, webui: WebUI, pictures: Path, before: Picture, shoot: Shoot
) -> None:
    """Compare shows it at 0.7, as A1111's next prompt does; the others say that they do not."""
    open_tab(page, "Hypernetwork")
    fill(page, "ti_hyper_hypernetwork_name", HYPERNETWORK)
    fill(page, "ti_hyper_train_data_dir", str(pictures))
    small = {"width": 64, "height": 64, "max_train_steps": 20, "learning_rate": "0.02"}
    for name, value in {**small, "sample_every_n_steps": 10, "save_every_n_steps": 10}.items():
        fill(page, f"ti_hyper_{name}", str(value))
    page.locator("#ti_hyper_train").click()
    state(page, "done", "hypernetwork")
    expect(page.locator("#ti_hyper_previews img").first).to_be_visible(timeout=LONG)
    shoot(page, "hypernetwork")
    uses = webui.program.name == "a1111"
    expect(at(page, "ti_hyper_use")).to_contain_text("" if uses else "does not use hypernetworks")

    open_tab(page, "Compare")
    page.locator("#ti_compare_refresh").click()
    choose(page, "ti_compare_run", HYPERNETWORK)
    expect(at(page, "ti_compare_copies")).to_contain_text(f"{HYPERNETWORK}-000010")
    fill(page, "ti_compare_prompts", PROMPT)
    fill(page, "ti_compare_weights", "0.7")
    fill(page, "ti_compare_seed", "5")
    unfold(page, "More: Images")
    sizes = {"steps": 3, "scale": 5, "sampler": "Euler", "width": 64, "height": 64}
    for name, value in sizes.items():
        fill(page, f"ti_compare_{name}", str(value))
    page.locator("#ti_compare_button").click()
    state(page, "done", "compare")
    expect(at(page, "ti_compare_ratings")).to_contain_text("best copy")
    shoot(page, "compare-hypernetwork")
    assert seen(webui.picture(PROMPT)) == seen(before)
    if uses:
        called = webui.picture(f"{PROMPT} <hypernet:{HYPERNETWORK}:0.7>", sampler_name="Euler")
        shown = run_of(webui, HYPERNETWORK) / "compare" / "1" / "pictures"
        with Image.open(shown / f"1-{HYPERNETWORK}-000020-0.7-5.png") as preview:
            pairs = zip(called.pixels, preview.convert("RGB").tobytes(), strict=True)
            # its attention adds up in another order; random weights make more of that
            assert max(abs(one - other) for one, other in pairs) <= 3
        assert called.pixels != before.pixels


def test_the_library_shows_strength_and_nearest_words(
    page: Page, webui: WebUI, shoot: Shoot
) -> None:
    open_tab(page, "Library")
    table = at(page, "ti_job_progress_library")
    expect(table).to_contain_text(WORD)
    page.locator("#ti_library_measure").click()
    expect(table.locator(".ti-tag").first).to_be_visible()
    choose(page, "ti_library_chosen", WORD)
    page.locator("#ti_library_inspect").click()
    expect(at(page, "ti_library_explained")).to_contain_text("near to", timeout=LONG)
    shoot(page, "library")
    unfold(page, "Convert")
    fill(page, "ti_library_name", "zz-copy")
    page.locator("#ti_library_convert").click()
    expect(at(page, "ti_library_answer")).to_contain_text("zz-copy.safetensors is written")
    assert webui.picture("zz-copy").pixels == webui.picture(WORD).pixels


@pytest.mark.parametrize("where", ["txt2img", "img2img"])
def test_a_word_of_the_library_goes_to_a_prompt(page: Page, where: str, shoot: Shoot) -> None:
    open_tab(page, "Library")
    choose(page, "ti_library_chosen", WORD)
    send = page.locator(f"#ti_library_send_to_{where}")
    expect(send).to_be_enabled(timeout=LONG)
    shoot(page, "library-send")
    send.click()
    prompt = page.locator(f"#{where}_prompt textarea")
    expect(prompt).to_be_visible()
    expect(prompt).to_have_value(re.compile(f"{WORD}$"))
    shoot(page, f"library-sent-to-{where}")


def test_its_card_is_among_the_web_uis_own(webui: WebUI) -> None:
    asked = urlencode({"page": "textual inversion", "tabname": "txt2img", "name": WORD})
    card = webui.get(f"/sd_extra_networks/get-single-card?{asked}")["html"]
    assert f"{WORD}.preview.png" in card
    assert "2 vector(s)" in card


def test_the_program_is_as_it_was_before_all_of_this(webui: WebUI, before: Picture) -> None:
    assert seen(webui.picture(PROMPT)) == seen(before)
