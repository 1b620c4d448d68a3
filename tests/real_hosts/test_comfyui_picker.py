"""The sidebar of embeddings, completion and pictures in ComfyUI's own front end, without any model.

`COMFYUI_SCREENSHOTS` names a folder for what was seen; see CONTRIBUTING for how to run.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.chromium import chromium
from tests.real_hosts.comfyui import ComfyUI, serving
from ti_core.data.config import DataConfig
from ti_core.files.embedding import Embedding
from ti_core.files.replaced import replace_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import (
    EmbeddingConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    TrainConfig,
)
from ti_core.train.control import Control
from ti_core.train.events import StepDone
from ti_core.train.loop import train

pytestmark = pytest.mark.skipif(
    not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no checkout of ComfyUI"
)
_OPEN = 120_000
_THEIR_ERROR = "Cannot read properties of undefined (reading 'id')"
"""As in test_comfyui_browser."""
_EMPTY = {"version": 0.4, "last_node_id": 0, "last_link_id": 0, "nodes": [], "links": []}
_NODES_2 = (1, 40)
"""The front end that has it for sure; the preview in 1.27 keeps nodes on the page that are gone."""
COUNT = 2000
ROWS = ".ti-shelf-row"
TAB = "Workspace.ToggleSidebarTab.textual-inversion-embeddings"


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """A server with two thousand embeddings and a training that was interrupted."""
    base = tmp_path_factory.mktemp("comfyui")
    for number in range(COUNT):
        name = f"{('cat', 'dog', 'ink')[number % 3]}-{number:04d}"
        folder = base / "embeddings" / ("styles" if number % 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        rows = {"emb_params": torch.full((2, 768), 0.01)}
        write_embedding(folder / f"{name}.safetensors", Embedding(name, rows, number))
        if number % 2:
            Image.new("RGB", (300, 200), "teal").save(folder / f"{name}.preview.png")
    (base / "embeddings" / "torn.pt").write_bytes(b"")
    replaced = Embedding("cat-0000", {"emb_params": torch.full((3, 768), 0.02)}, 7)
    replace_embedding(base / "embeddings" / "cat-0000.safetensors", replaced)
    with serving(base, ()) as server:
        interrupted(base)
        yield server


def interrupted(base: Path) -> None:
    """A run of ten steps that ended at the fourth."""
    control = Control()

    def stop(event: Any) -> None:
        if isinstance(event, StepDone) and event.step == 4:
            control.finish()

    logs = str(base / "output" / "textual_inversion")
    config = TrainConfig(
        EmbeddingConfig("my-cat", "cat", 2),
        DataConfig(str(base / "input" / "cats"), resolution=(64, 64), skip_checkup=True),
        OptimizerConfig(max_train_steps=10),
        output=OutputConfig(str(base / "temp"), logging_dir=logs),
        preview=PreviewConfig(2, sample_prompts="[name] --w 64 --h 64 --s 2"),
    )
    train(config, FakeHost(base / "temp"), stop, control)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with chromium() as opened:
        yield opened


@pytest.fixture(params=[False, True], ids=["canvas", "Nodes 2.0"])
def page(request: pytest.FixtureRequest, browser: Browser, comfy: ComfyUI) -> Iterator[Page]:
    """The front end with an empty graph, as nodes are drawn in either way."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    errors: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
    opened.goto(f"http://127.0.0.1:{comfy.port}/")
    opened.wait_for_function("() => window.app?.graph && app.extensionManager", timeout=_OPEN)
    opened.wait_for_timeout(2000)
    opened.keyboard.press("Escape")
    version = opened.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0'").split(".")
    known = (int(version[0]), int(version[1])) >= _NODES_2
    if request.param and not known:
        context.close()
        pytest.skip("this front end has Nodes 2.0 as an unfinished preview, or not at all")
    if known:
        script = "(on) => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
        opened.evaluate(script, request.param)
    opened.evaluate("(empty) => app.loadGraphData(empty)", _EMPTY)
    errors[:] = []
    yield opened
    see(opened, request.node.name)
    context.close()
    assert [error for error in errors if _THEIR_ERROR not in error] == []


def see(page: Page, name: str) -> None:
    """Keep a picture of it, if somebody wants to look."""
    if folder := os.environ.get("COMFYUI_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def add(page: Page, kind: str, left: int, top: int) -> int:
    """The number of a new node."""
    number: int = page.evaluate(
        """([kind, left, top]) => {
            const node = LiteGraph.createNode(kind);
            node.pos = [left, top];
            app.graph.add(node);
            return node.id;
        }""",
        [kind, left, top],
    )
    return number


def value(page: Page, node: int, name: str) -> Any:
    """Of a widget, as the graph would be queued with it."""
    script = "([id, name]) => app.graph.getNodeById(id).widgets.find((w) => w.name === name).value"
    return page.evaluate(script, [node, name])


def prompt_field(page: Page, node: int) -> Any:
    """The field of a CLIP Text Encode, with a text and the cursor behind its comma."""
    field = page.locator("textarea:not([readonly])").last
    field.click()
    field.fill("a cat, masterpiece")
    for _ in "masterpiece ":
        page.keyboard.press("ArrowLeft")
    expect(field).to_have_value("a cat, masterpiece")
    return field


def test_the_tab_paints_at_once_and_writes_into_the_prompt(page: Page) -> None:
    node = add(page, "CLIPTextEncode", 600, 100)
    field = prompt_field(page, node)
    script = f"""() => new Promise((done) => {{
        const began = performance.now();
        app.extensionManager.command.execute("{TAB}");
        const look = () => document.querySelector("{ROWS}")
            ? done(performance.now() - began) : requestAnimationFrame(look);
        look();
    }})"""
    assert page.evaluate(script) < 500
    expect(page.locator(".ti-shelf p").first).to_have_text(str(COUNT))
    page.fill(".ti-shelf input", "styles dog-00")
    row = page.locator(ROWS).first
    expect(row.locator("b")).to_have_text("dog-0001")
    expect(row.locator("img")).to_be_visible()
    row.click()
    wanted = "a cat, embedding:styles/dog-0001 masterpiece"
    expect(field).to_have_value(wanted)
    assert value(page, node, "text") == wanted
    row.drag_to(field)
    expect(field).to_have_value(re.compile("(embedding:styles/dog-0001.*){2}"))
    assert value(page, node, "text").count("embedding:styles/dog-0001") == 2
    page.get_by_text("Skipped files: 1").click()
    expect(page.locator(".ti-shelf details:not(.ti-replaced) p")).to_contain_text("torn.pt")


def test_a_replaced_embedding_is_brought_back(page: Page, comfy: ComfyUI) -> None:
    file = comfy.embeddings / "cat-0000.safetensors"
    (copy,) = comfy.embeddings.glob("*.before-*")
    before, kept = file.read_bytes(), copy.read_bytes()
    page.evaluate(f"() => app.extensionManager.command.execute('{TAB}')")
    page.get_by_text("Replaced embeddings: 1").click()
    expect(page.locator(".ti-replaced p")).to_contain_text(f"{copy.name} step")
    see(page, "replaced")
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("cat-0000.safetensors: is back")).to_be_visible()
    expect(page.get_by_text("Replaced embeddings: 1")).to_be_visible()
    assert file.read_bytes() == kept
    assert [each.read_bytes() for each in comfy.embeddings.glob("*.before-*")] == [before]


def test_pictures_are_uploaded_from_the_node(page: Page, comfy: ComfyUI, tmp_path: Path) -> None:
    node = add(page, "TI_DatasetFromFolder", 600, 100)
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for path in files:
        Image.new("RGB", (64, 64), (70 * int(path.stem), 0, 0)).save(path)
    files += [tmp_path / "1.txt"]
    files[-1].write_text("a [name]")
    press = """(id) => {
        const button = app.graph.getNodeById(id).widgets.find((w) => w.name === "Upload images");
        window.setTimeout(() => button.callback(button.value, app.canvas, button), 0);
    }"""
    with page.expect_file_chooser() as chooser:
        page.evaluate(press, node)
    chooser.value.set_files(files)
    folder = f"sent/{tmp_path.name}"
    field = page.get_by_role("dialog").locator("input")
    field.fill(folder)
    see(page, "upload")
    field.press("Enter")
    page.wait_for_function(
        """([id, folder]) => app.graph.getNodeById(id).widgets[0].value === folder""",
        arg=[node, folder],
    )
    sent = comfy.folder / "input" / folder
    assert {path.name: path.read_bytes() for path in sent.iterdir()} == {
        path.name: path.read_bytes() for path in files
    }


def test_names_are_completed(page: Page) -> None:
    node = add(page, "CLIPTextEncode", 600, 100)
    field = prompt_field(page, node)
    page.keyboard.type(" embedding:ink-19", delay=30)
    expect(page.locator(".ti-completion > div").first).to_contain_text("ink-19")
    see(page, "completion")
    page.keyboard.press("Enter")
    expect(page.locator(".ti-completion")).to_have_count(0)
    text = field.input_value()
    assert "embedding:" in text
    assert "ink-19" in text
    assert value(page, node, "text") == text


def test_nodes_show_the_picture_of_what_is_chosen(page: Page) -> None:
    node = add(page, "TI_Embedding", 600, 100)
    choose = """([id, name, value]) => {
        const widget = app.graph.getNodeById(id).widgets.find((w) => w.name === name);
        widget.value = value ?? widget.options.values[2];
        widget.callback(widget.value);
        return widget.value;
    }"""
    page.evaluate(choose, [node, "file", "styles/dog-0001.safetensors"])
    expect(page.locator("img[alt='styles/dog-0001.safetensors']")).to_be_visible()
    training = add(page, "TI_TrainEmbedding", 1000, 100)
    page.wait_for_function(
        "(id) => app.graph.getNodeById(id).widgets[0].options.values.length === 3", arg=training
    )
    label = page.evaluate(choose, [training, "resume", None])
    assert label.startswith("my-cat, step 4 of 10, ")
    expect(page.locator(f"img[alt='{label}']")).to_be_visible()
    assert (
        page.evaluate("(id) => app.graph.getNodeById(id).serialize().widgets_values", training)[0]
        == label
    )


def test_a_choice_is_text_in_a_graph(comfy: ComfyUI) -> None:
    graph = {
        "1": {
            "class_type": "TI_Embedding",
            "inputs": {"file": "cat-0000.safetensors", "strength": 1.2},
        },
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    done = comfy.run(graph)
    assert done.status == "success", done.error
    assert done.outputs["2"]["text"] == ["(embedding:cat-0000:1.2)"]


def test_pages_of_other_sites_are_refused(comfy: ComfyUI) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{comfy.port}/ti/embeddings", headers={"Origin": "http://evil.example"}
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=20)
    assert comfy.get("/ti/embeddings?limit=1")["total"] == COUNT
    assert comfy.get("/api/ti/embeddings?limit=1")["total"] == COUNT
