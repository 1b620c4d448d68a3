"""The sidebar of embeddings and the completion of prompts, as ComfyUI's front end loads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import nodes_page

ROWS = ".ti-shelf-row"
COUNT = 2000


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """The page with two thousand embeddings."""
    with nodes_page.serving(COUNT) as address:
        yield address


@pytest.fixture
def page(browser: Browser, place: str) -> Iterator[Page]:
    """A new one; an error in its scripts fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    opened, errors = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(place)
    # before the scripts have run, `window.tab` is the element with that id
    opened.wait_for_function("() => window.tab.render && window.extensions.length === 7")
    yield opened
    assert opened.evaluate("() => window.hacked") is None
    context.close()
    assert errors == []


def open_tab(page: Page) -> float:
    """Open it; the milliseconds until the first rows are drawn."""
    return page.evaluate(
        """() => new Promise((done) => {
            const began = performance.now();
            window.tab.render(document.getElementById("tab"));
            const look = () => document.querySelector(".ti-shelf-row")
                ? requestAnimationFrame(() => done(performance.now() - began))
                : requestAnimationFrame(look);
            look();
        })"""
    )


def put_cursor(page: Page, at: int, field: str = "#one") -> None:
    page.click(field)
    page.evaluate(
        "([field, at]) => document.querySelector(field).setSelectionRange(at, at)", [field, at]
    )
    page.keyboard.press("Shift")


def test_nothing_is_asked_for_before_the_tab_is_opened(page: Page) -> None:
    asked = page.evaluate("() => window.asked ?? []")
    assert [path for path in asked if "embeddings" in path] == []


def test_two_thousand_are_painted_at_once_and_few_rows_exist(page: Page) -> None:
    assert open_tab(page) < 500
    assert page.locator(ROWS).count() < 30
    expect(page.locator(".ti-shelf p").first).to_have_text(str(COUNT))
    page.evaluate("() => { document.querySelector('.ti-shelf-list').scrollTop = 1500 * 76; }")
    expect(page.get_by_text("cat-1500")).to_be_visible()
    assert page.locator(ROWS).count() < 30


def test_a_row_tells_family_vectors_steps_and_strength(page: Page) -> None:
    open_tab(page)
    row = page.locator(ROWS).nth(3)
    for told in ("cat-0003", "SD 1.x", "2 vector(s)", "step 3", "strength 1.25 (normal)"):
        expect(row).to_contain_text(told)
    expect(row.locator("img")).to_be_visible()


def test_a_click_writes_the_word_at_the_cursor_of_the_last_field(page: Page) -> None:
    open_tab(page)
    put_cursor(page, 17)
    page.locator(ROWS).nth(3).click()
    wanted = "a photo of a cat, embedding:cat-0003 masterpiece"
    expect(page.locator("#one")).to_have_value(wanted)
    assert page.evaluate("() => window.value") == wanted
    page.locator(ROWS).nth(4).click()
    expect(page.locator("#one")).to_have_value(
        "a photo of a cat, embedding:cat-0003 embedding:dog-0004 masterpiece"
    )
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.locator("#one")).to_have_value("a photo of a cat, masterpiece")
    put_cursor(page, 0, "#two")
    page.locator(ROWS).nth(0).click()
    expect(page.locator("#two")).to_have_value("embedding:cat-0000")
    page.wait_for_timeout(300)
    expect(page.locator(".ti-completion")).to_have_count(0)


def test_without_a_field_it_says_so(page: Page) -> None:
    open_tab(page)
    page.locator(ROWS).nth(3).click()
    page.wait_for_function("() => window.toast?.summary === 'embedding:cat-0003'")


def test_a_word_is_dragged_into_a_prompt(page: Page) -> None:
    open_tab(page)
    page.locator(ROWS).nth(3).drag_to(page.locator("#two"))
    expect(page.locator("#two")).to_have_value("embedding:cat-0003")
    assert page.evaluate("() => window.dropped") is None
    page.locator(ROWS).nth(3).drag_to(page.locator("#shown"))
    expect(page.locator("#shown")).to_have_value("")


def test_it_is_searched_and_what_was_skipped_is_told_with_its_reason(page: Page) -> None:
    open_tab(page)
    page.fill(".ti-shelf input", "ink-00")
    expect(page.locator(".ti-shelf p").first).to_have_text("33")
    expect(page.locator(f"{ROWS} b").first).to_have_text("ink-0002")
    page.fill(".ti-shelf input", "nothing")
    expect(page.locator(".ti-shelf p").first).to_have_text("no embeddings are found")
    page.click(".ti-shelf summary")
    expect(page.locator(".ti-shelf details p")).to_contain_text("torn.pt it is empty <img")


def test_what_no_prompt_reaches_cannot_be_used(page: Page) -> None:
    open_tab(page)
    expect(page.locator(ROWS).nth(2)).to_be_disabled()
    expect(page.locator(ROWS).nth(1).locator("b")).to_have_text(nodes_page.EVIL)


@pytest.mark.parametrize("keys", [["Enter"], ["ArrowDown", "ArrowUp", "Tab"]])
def test_names_are_offered_while_embedding_is_typed(page: Page, keys: list[str]) -> None:
    put_cursor(page, 29)
    page.keyboard.type(", (embedding:cat-15")
    expect(page.locator(".ti-completion span").first).to_have_text("cat-1500")
    assert page.locator(".ti-completion > div").count() == 12
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator(".ti-completion")).to_have_count(0)
    wanted = "a photo of a cat, masterpiece, (embedding:cat-1500"
    expect(page.locator("#one")).to_have_value(wanted)
    assert page.evaluate("() => window.value") == wanted
    page.keyboard.type(":1.2) on a mat")
    expect(page.locator("#one")).to_have_value(f"{wanted}:1.2) on a mat")


def test_names_are_offered_once_the_server_has_read_the_files(page: Page) -> None:
    """Until then it tells names alone, which are no prompts."""
    names = [{"total": 1, "offset": 0, "looking": True, "embeddings": [{"name": "cat-1500"}]}]
    page.route(
        "**/ti/embeddings?*",
        lambda route: route.fulfill(json=names.pop()) if names else route.continue_(),
    )
    put_cursor(page, 0, "#two")
    page.keyboard.type("embedding:cat-15")
    expect(page.locator(".ti-completion span").first).to_have_text("cat-1500")
    assert names == []


def test_the_completion_closes_and_leaves_keys_alone(page: Page) -> None:
    put_cursor(page, 0, "#two")
    page.keyboard.type("embedding:dog")
    expect(page.locator(".ti-completion")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".ti-completion")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#two")).to_have_value("embedding:dog\n")
    page.keyboard.type("Embedding:dog or an embedding")
    page.wait_for_timeout(300)
    expect(page.locator(".ti-completion")).to_have_count(0)
    page.keyboard.type("\nembedding:ink")
    expect(page.locator(".ti-completion")).to_be_visible()
    page.locator(".ti-completion > div").nth(1).click()
    expect(page.locator("#two")).to_have_value(
        "embedding:dog\nEmbedding:dog or an embedding\nembedding:ink-0008"
    )
