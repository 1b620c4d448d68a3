"""The pictures of the panel in docs/webui: `python -m tests.browser.screenshots FOLDER [NAME…]`.

A `ti ui` works in FOLDER, which is empty and whose name is seen in the pictures. With names, only
these pictures are taken over; everything is done in any case.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.chromium import chromium
from ti_core.demo.assets import pictures_folder

from .conftest import ROOT, serving
from .hands import (
    LONG,
    at,
    choose,
    fill,
    fill_train,
    open_tab,
    state,
    unfold,
    unfold_all,
    wait_for_step,
)

HOME = ROOT / "docs" / "webui"
STEPS = 100
_COLOURS = 128
"""Of a picture's palette: it has few besides the previews'."""


class Camera:
    """Takes the pictures of one `ti ui`."""

    def __init__(self, browser: Browser, address: str, wanted: list[str]) -> None:
        self.browser, self.address, self.wanted = browser, address, wanted

    @contextmanager
    def page(self, width: int, height: int, more: str = "") -> Iterator[Page]:
        """A visitor's page of this size."""
        context = self.browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(LONG)
        page = context.new_page()
        page.goto(f"{self.address}/?{more or '__theme=light'}")
        at(page, "ti_tabs").wait_for()
        yield page
        context.close()

    def shoot(self, page: Page, name: str) -> None:
        """Save what is in sight as docs/webui/NAME.png."""
        if self.wanted and name not in self.wanted:
            return
        page.mouse.move(0, 0)
        page.wait_for_timeout(2500)  # what fades in
        page.evaluate("document.activeElement.blur()")
        with Image.open(io.BytesIO(page.screenshot())) as taken:
            small = taken.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        small.save(HOME / f"{name}.png", optimize=True)


def first_training(camera: Camera) -> None:
    """Train: filled in, at work in three looks, finished; then Try and Model."""
    with camera.page(1200, 900) as page:
        page.get_by_role("button", name="Teach the demo model a word").click()
        expect(at(page, "ti_first_run_said")).to_contain_text("Press Train", timeout=LONG)
        camera.shoot(page, "first-run")
        unfold_all(page)
        fill(page, "ti_train_max_train_steps", str(STEPS))
        fill(page, "ti_train_save_every_n_steps", "25")
        page.get_by_role("button", name="Train Embedding", exact=True).click()
        state(page, "running")
        wait_for_step(page, STEPS // 2)
        page.locator("#ti_pause").click()
        in_other_looks(camera)
        page.locator("#ti_go_on").click()
        state(page, "running")
        page.evaluate("window.scrollTo(0, 0)")
        camera.shoot(page, "train")
        state(page, "done", timeout=4 * LONG)
        page.set_viewport_size({"width": 1200, "height": 1200})
        at(page, "ti_job_progress").evaluate("each => each.scrollIntoView()")
        expect(page.locator("#ti_film button").nth(STEPS // 25)).to_be_visible(timeout=LONG)
        camera.shoot(page, "train-finished")
        page.set_viewport_size({"width": 1200, "height": 900})
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("button", name="Generate", exact=True).click()
        state(page, "done", "generate")
        expect(page.locator("#ti_try_pictures img")).to_have_count(2, timeout=LONG)
        camera.shoot(page, "try")
        open_tab(page, "Model")
        expect(at(page, "ti_model_about")).to_contain_text("SD 1.x", timeout=LONG)
        page.set_viewport_size({"width": 1200, "height": 560})
        camera.shoot(page, "model")


def in_other_looks(camera: Camera) -> None:
    """Train as it stands, in the dark and on a phone."""
    with camera.page(1200, 900, "__theme=dark") as dark:
        state(dark, "paused")
        camera.shoot(dark, "train-dark")
    with camera.page(400, 800) as phone:
        state(phone, "paused")
        at(phone, "ti_job_progress").evaluate("each => each.scrollIntoView()")
        camera.shoot(phone, "train-phone")


def compared(camera: Camera) -> None:
    """Compare: the copies of the first training."""
    with camera.page(1440, 1500, "tab=compare&__theme=light") as page:
        choose(page, "ti_compare_run", "lily")
        expect(at(page, "ti_compare_copies")).to_contain_text("lily-000025")
        fill(page, "ti_compare_prompts", "a [name] on a white background\na photo of a [name]")
        page.locator("#ti_compare_button").click()
        state(page, "done", "compare")
        expect(page.locator("#ti_compare_sheets img").first).to_be_visible(timeout=LONG)
        camera.shoot(page, "compare")


def hypernetwork(camera: Camera) -> None:
    """Hypernetwork: a finished one."""
    with camera.page(1200, 1200, "tab=hypernetwork&__theme=light") as page:
        for name, value in {
            "hypernetwork_name": "comic",
            "train_data_dir": "comic",
            "max_train_steps": "60",
            "sample_every_n_steps": "30",
        }.items():
            fill(page, f"ti_hyper_{name}", value)
        page.locator("#ti_hyper_train").click()
        state(page, "done", "hypernetwork", timeout=4 * LONG)
        expect(page.locator("#ti_hyper_previews img").first).to_be_visible(timeout=LONG)
        camera.shoot(page, "hypernetwork")


def data(camera: Camera) -> None:
    """Data: images made, checked and described."""
    with camera.page(1100, 760, "tab=data&__theme=light") as page:
        fill(page, "ti_preprocess_source", "cat")
        page.locator("#ti_preprocess_button").click()
        state(page, "done", "preprocess")
        camera.shoot(page, "preprocess")
        open_tab(page, "Captions and checkup")
        fill(page, "ti_data_folder", "cat")
        page.locator("#ti_checkup_button").click()
        expect(at(page, "ti_checkup")).to_contain_text("image(s)", timeout=LONG)
        page.locator("#ti_caption_open").click()
        page.locator("#ti_caption_next").click()
        expect(at(page, "ti_caption_where")).to_contain_text("2 of 5", timeout=LONG)
        unfold(page, "Find and replace")
        fill(page, "ti_caption_find", "background")
        fill(page, "ti_caption_by", "hill")
        page.locator("#ti_caption_search").click()
        expect(at(page, "ti_caption_changes")).to_contain_text("would change", timeout=LONG)
        page.set_viewport_size({"width": 1100, "height": 1250})
        page.evaluate("window.scrollTo(0, 0)")
        camera.shoot(page, "captions")


def queue(camera: Camera) -> None:
    """Train: a sweep at work, and what waits behind it."""
    with camera.page(1200, 1300) as page:
        unfold(page, "Learning")
        fill_train(
            page,
            token_string="heart",
            init_word="toy",
            train_data_dir="heart",
            max_train_steps="60",
        )
        unfold(page, "Sweep")
        fill(page, "ti_sweep_values", "learning_rate=0.1,0.03\nnum_vectors_per_token=1,3")
        page.locator("#ti_sweep_start").click()
        state(page, "running", "sweep")
        page.locator("#ti_queue_add").click()
        expect(at(page, "ti_queue")).to_contain_text("heart", timeout=LONG)
        expect(at(page, "ti_job_progress_sweep").locator("polyline").first).to_be_visible()
        page.evaluate("window.scrollTo(0, 0)")
        camera.shoot(page, "queue")
        page.locator("#ti_queue_remove").click()
        page.locator("#ti_interrupt_sweep").click()
        state(page, "stopped", "sweep")


def library(camera: Camera) -> None:
    """Library: what all of these have made."""
    with camera.page(1200, 900, "tab=library&__theme=light") as page:
        page.locator("#ti_library_measure").click()
        cards = page.locator("#ti_library_cards")
        cards.get_by_text("lily").first.click()
        expect(at(page, "ti_library_known")).to_contain_text("lily", timeout=LONG)
        camera.shoot(page, "library")


PARTS: tuple[Callable[[Camera], None], ...] = (
    *(first_training, compared, hypernetwork, data, queue, library),
)


def main(folder: Path, wanted: list[str]) -> None:
    """Take them all."""
    folder.mkdir(parents=True)
    for name in ("cat", "comic", "heart"):
        shutil.copytree(pictures_folder(name), folder / name)
    with chromium() as browser, serving(folder) as address:
        camera = Camera(browser, address, wanted)
        for part in PARTS:
            part(camera)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
