"""Every example workflow in ComfyUI's own front end: from the template browser to the last picture.

`COMFYUI_SCREENSHOTS` names a folder for what was seen; see CONTRIBUTING for how to run.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import chromium
from tests.real_hosts.comfyui import PACK, ROOT, ComfyUI, serving
from tests.real_hosts.graphs import training
from ti_core.files.reading import read_embedding
from ti_core.hypernetworks.reading import read_hypernetwork

pytestmark = pytest.mark.skipif(
    not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no checkout of ComfyUI"
)
_OPEN, _RUN = 120_000, 1_200_000
"""Milliseconds for the front end to open and for a graph to run, on a machine with other work."""
_SMALL: dict[str, dict[str, Any]] = {
    "CheckpointLoaderSimple": {"ckpt_name": "sd1-0.safetensors"},
    "TI_DatasetFromFolder": {"folder": "cats", "width": 64, "height": 64},
    "TI_DatasetFromImages": {"width": 64, "height": 64},
    "LoadImageTextDataSetFromFolder": {"folder": "cats"},
    "LoadImageSetFromFolderNode": {"folder": "cats"},
    "TI_TrainingSettings": {
        "max_train_steps": 12,
        "sample_every_n_steps": 4,
        "sample_prompts": "a picture of [name] --w 64 --h 64 --s 2",
    },
    "TI_HypernetworkSettings": {
        "max_train_steps": 8,
        "learning_rate": "1e-3",
        "sample_every_n_steps": 4,
        "sample_prompts": "a cat --w 64 --h 64 --s 2",
    },
    "TI_PreviewGrid": {"width": 64, "height": 64, "sample_steps": 2},
    "EmptyLatentImage": {"width": 64, "height": 64},
    "KSampler": {"steps": 2},
}
"""What somebody with a small model and little time would change: node → widget → value."""
_THEIR_ERROR = "Cannot read properties of undefined (reading 'id')"
_SDXL = {"CheckpointLoaderSimple": {"ckpt_name": "sdxl-0.safetensors"}}


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """One server for all tests."""
    base = tmp_path_factory.mktemp("comfyui")
    shutil.copytree(ROOT / "subgraphs", base / "user" / "default" / "subgraphs")
    with serving(base, ("sd1", "sdxl")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, comfy: ComfyUI) -> Iterator[Page]:
    """The front end as somebody sees it for the first time.

    An error in its scripts fails the test. Front end 1.27 has one of its own while it opens (on a
    busy machine some seconds later), without any custom node too: its setting of the mouse's ways
    sets others that are not there yet.
    """
    context = browser.new_context(viewport={"width": 1900, "height": 900})
    errors: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
    opened.goto(f"http://127.0.0.1:{comfy.port}/")
    opened.wait_for_function("() => window.app?.graph && app.extensionManager", timeout=_OPEN)
    yield opened
    context.close()
    assert [each for each in errors if _THEIR_ERROR not in each or PACK in each] == []


def load(page: Page, name: str) -> None:
    """Choose a workflow of ours in the template browser."""
    card = page.get_by_test_id(f"template-workflow-{name}")
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text(PACK, exact=True).first.click(timeout=_OPEN)
    card.click(timeout=_OPEN)
    card.wait_for(state="detached", timeout=_OPEN)
    page.wait_for_function("() => app.graph._nodes.some((n) => n.type.startsWith('TI_'))")
    page.evaluate(
        """async () => {
            const set = app.extensionManager.setting.set;
            await set("LiteGraph.Canvas.MinFontSizeForLOD", 0);  // texts are always drawn
            await set("Comfy.Minimap.Visible", false);
            await app.extensionManager.command.execute("Comfy.Canvas.FitView");
        }"""
    )


def choose(page: Page, changes: dict[str, dict[str, Any]]) -> None:
    """Set widgets of every node of a class, as the mouse does; each must be there."""
    missing = page.evaluate(
        """(changes) => app.graph._nodes.flatMap((node) =>
            Object.entries(changes[node.type] ?? {}).flatMap(([name, value]) => {
                const widget = node.widgets.find((each) => each.name === name);
                const choices = widget?.options?.values;
                if (!widget || (Array.isArray(choices) && !choices.includes(value)))
                    return [`${node.type} ${name}`];
                widget.value = value;
                widget.callback?.(value);
                return [];
            }))""",
        changes,
    )
    assert missing == []


def queue(page: Page) -> None:
    """Press Run; from then on `seen` is what the server tells the page."""
    page.evaluate(
        """() => {
            window.seen = [];
            const note = (event) => window.seen.push(event.type);
            for (const type of ["progress", "b_preview", "b_preview_with_metadata",
                "execution_success", "execution_error", "execution_interrupted"])
                app.api.addEventListener(type, note);
        }"""
    )
    page.get_by_test_id("queue-button").click()


def finish(page: Page) -> None:
    """Wait for the end of the graph, which must be a good one."""
    page.wait_for_function(
        "() => window.seen.some((type) => type.startsWith('execution_'))", timeout=_RUN
    )
    assert "execution_success" in page.evaluate("() => window.seen"), page.inner_text("body")[
        -2000:
    ]


def expect_pictures(page: Page, kind: str, *sizes: tuple[int, int]) -> None:
    """Wait until nodes of this class show pictures of these sizes, from first to last."""
    wanted = [list(size) for size in sizes]
    drawn = """(kind) => app.graph._nodes.filter((node) => node.type === kind)
        .flatMap((node) => (node.imgs ?? []).map((image) => [image.width, image.height]))"""
    end = time.monotonic() + _OPEN / 1000
    while (found := page.evaluate(drawn, kind)) != wanted and time.monotonic() < end:
        page.wait_for_timeout(200)
    assert found == wanted, kind


def text(page: Page, kind: str) -> str:
    """What a node of ours tells after its work."""
    told = page.wait_for_function(
        """(kind) => app.graph._nodes.find((node) => node.type === kind)
            .widgets?.find((widget) => widget.name === "ti_text")?.value""",
        arg=kind,
        timeout=_OPEN,
    )
    return str(told.json_value())


def picture(page: Page, name: str) -> None:
    """Keep what is seen."""
    folder = os.environ.get("COMFYUI_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def watch_training(page: Page, name: str, kind: str) -> None:
    """Progress, its text and a preview, while it goes on."""
    training_node = f"app.graph._nodes.find((node) => node.type === '{kind}')"
    page.wait_for_function("() => window.seen.includes('progress')", timeout=_RUN)
    expect(page.get_by_text(re.compile(r"step \d+ of \d+, loss \d"))).to_be_visible(timeout=_RUN)
    page.wait_for_function(f"() => {training_node}.imgs?.length", timeout=_RUN)
    expect(page.locator(".ti-curve-last")).to_have_text(re.compile(r"loss \d"), timeout=_RUN)
    picture(page, f"{name}-while")
    assert "execution_success" not in page.evaluate("() => window.seen")
    assert any(kind.startswith("b_preview") for kind in page.evaluate("() => window.seen"))


def train_once(comfy: ComfyUI) -> None:
    """The embedding `my-cat` and its run, for the workflows that begin with them."""
    if not (comfy.embeddings / "my-cat.safetensors").exists():
        assert comfy.run(training(steps=8, num_vectors_per_token=4)).status == "success"


def run_training(
    page: Page,
    name: str,
    changes: dict[str, dict[str, Any]] | None = None,
    kind: str = "TI_TrainEmbedding",
) -> None:
    """A workflow that trains, from the template browser to its end."""
    load(page, name)
    choose(page, _SMALL)
    choose(page, changes or {})
    queue(page)
    watch_training(page, name, kind)
    finish(page)
    assert "finished at step" in text(page, kind)


def test_the_template_browser_shows_all_our_workflows_with_pictures(page: Page) -> None:
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text(PACK, exact=True).first.click(timeout=_OPEN)
    for path in (ROOT / "example_workflows").glob("*.json"):
        card = page.get_by_test_id(f"template-workflow-{path.stem}")
        card.scroll_into_view_if_needed(timeout=_OPEN)  # only then is its image loaded
        image = card.locator("img").first
        page.wait_for_function("(i) => i.naturalWidth > 0", arg=image.element_handle())
    picture(page, "templates")


def test_a_folder_becomes_a_word(page: Page, comfy: ComfyUI) -> None:
    run_training(page, "train-an-sd15-embedding")
    assert "my-cat" in text(page, "TI_SaveEmbedding")
    assert text(page, "TI_CheckDataset")
    assert text(page, "TI_InspectEmbedding")
    expect_pictures(page, "TI_LossPlot", (960, 480), (960, 480))  # loss, strength
    expect_pictures(page, "TI_TrainEmbedding", *[(64, 64)] * 4)  # before, and after 4, 8, 12
    picture(page, "train-an-sd15-embedding")
    assert read_embedding(comfy.embeddings / "my-cat.safetensors").step == 12
    see_the_curve_again(page)


def see_the_curve_again(page: Page) -> None:
    """After a reload, as nodes are drawn in either way."""
    expect(page.locator(".ti-curve-end")).to_have_text("12")
    points = page.locator(".ti-curve-means").get_attribute("points")
    page.reload()
    page.wait_for_function(
        "() => window.app?.graph?._nodes?.some((n) => n.type === 'TI_TrainEmbedding')",
        timeout=_OPEN,
    )
    expect(page.locator(".ti-curve-end")).to_have_text("12", timeout=_OPEN)
    assert page.locator(".ti-curve-means").get_attribute("points") == points
    picture(page, "curve-after-reload")
    if new_nodes(page):
        script = "(on) => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
        page.evaluate(script, True)
        page.wait_for_timeout(2000)
        expect(page.locator(".ti-curve-end")).to_have_text("12")
        picture(page, "curve-nodes-2")
        page.evaluate(script, False)


def new_nodes(page: Page) -> bool:
    """Whether this front end has Nodes 2.0 for sure."""
    version = page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0'").split(".")
    return (int(version[0]), int(version[1])) >= (1, 40)


def test_comfyuis_own_nodes_give_the_pictures_and_plot_the_loss(page: Page) -> None:
    newer = page.evaluate(
        "() => 'LoadImageTextDataSetFromFolder' in LiteGraph.registered_node_types"
    )
    run_training(page, f"train-from-{'core' if newer else 'older'}-dataset-nodes")
    expect_pictures(page, "LossGraphNode", (840, 520))
    picture(page, "dataset-nodes")


def test_both_text_encoders_of_sdxl_are_taught(page: Page, comfy: ComfyUI) -> None:
    run_training(page, "train-an-sdxl-embedding", _SDXL)
    assert "my-cat-xl" in text(page, "TI_SaveEmbedding")
    expect_pictures(page, "TI_LossPlot", (960, 480), (960, 480))
    picture(page, "train-an-sdxl-embedding")
    made = read_embedding(comfy.embeddings / "my-cat-xl.safetensors")
    assert made.vectors.keys() == {"clip_l", "clip_g"}


def test_a_negative_embedding_is_trained_and_used(page: Page, comfy: ComfyUI) -> None:
    run_training(page, "train-a-negative-embedding")
    expect_pictures(page, "SaveImage", (64, 64))
    picture(page, "train-a-negative-embedding")
    assert (comfy.embeddings / "my-negative.safetensors").is_file()


def test_a_subject_and_a_style_are_trained_in_one_run(page: Page, comfy: ComfyUI) -> None:
    run_training(page, "train-a-subject-and-a-style", kind="TI_TrainEmbeddings")
    picture(page, "train-a-subject-and-a-style")
    for name in ("my-cat", "my-ink"):
        assert read_embedding(comfy.embeddings / f"{name}.safetensors").step == 12


def test_a_hypernetwork_is_trained_and_used_in_one_graph(page: Page, comfy: ComfyUI) -> None:
    run_training(page, "train-a-hypernetwork", kind="TI_TrainHypernetwork")
    assert "saved as my-style.pt" in text(page, "TI_SaveHypernetwork")
    assert "step 8" in text(page, "TI_ApplyHypernetwork")
    expect_pictures(page, "TI_LossPlot", (960, 480))
    expect_pictures(page, "SaveImage", (64, 64), (64, 64))
    picture(page, "train-a-hypernetwork")
    names = ("with-style", "without-style")
    with_, without = (comfy.folder / "output" / f"{name}_00001_.png" for name in names)
    assert with_.read_bytes() != without.read_bytes()
    assert read_hypernetwork(comfy.hypernetworks / "my-style.pt").step == 8


def test_a_training_goes_on_where_it_ended(page: Page, comfy: ComfyUI) -> None:
    train_once(comfy)
    run_training(page, "resume-a-training", {"TI_TrainingSettings": {"max_train_steps": 24}})
    page.wait_for_function(
        "() => app.graph._nodes.find((n) => n.type === 'TI_PreviewGrid').imgs?.[0]?.width > 128"
    )
    picture(page, "resume-a-training")
    newest = max(comfy.embeddings.glob("my-cat*"), key=lambda path: path.stat().st_mtime)
    assert read_embedding(newest).step == 24


def test_an_embedding_is_used_and_compared(page: Page, comfy: ComfyUI) -> None:
    train_once(comfy)
    load(page, "use-and-compare")
    choose(page, _SMALL)
    choose(page, {"TI_LoadEmbedding": {"file": "my-cat.safetensors"}})
    queue(page)
    page.wait_for_function("() => window.seen.includes('progress')", timeout=_RUN)
    finish(page)
    expect_pictures(page, "SaveImage", (64, 64), (64, 64))
    assert text(page, "TI_InspectEmbedding")
    picture(page, "use-and-compare")
    with_, without = (comfy.folder / "output" / f"{n}_00001_.png" for n in ("with", "without"))
    assert with_.read_bytes() != without.read_bytes()


def open_search(page: Page) -> None:
    """The list of all nodes, although a first visit's template browser may come late."""
    field = page.locator("input:focus")
    end = time.monotonic() + _OPEN / 1000
    while not field.count() and time.monotonic() < end:
        page.keyboard.press("Escape")
        page.mouse.dblclick(900, 500)
        page.wait_for_timeout(3000)
    assert field.count()


def test_the_blueprint_shows_its_fields_and_trains(page: Page, comfy: ComfyUI) -> None:
    """Put among one's own blueprints, as it must be where ComfyUI does not look into packs."""
    page.evaluate("() => app.graph.clear()")
    open_search(page)
    page.keyboard.type("Train an Embedding")
    page.get_by_role("option", name="Train an Embedding").first.wait_for(timeout=_OPEN)
    page.wait_for_timeout(1000)  # the list takes the first of them as chosen
    page.keyboard.press("Enter")
    node = "app.graph._nodes.find((each) => each.subgraph)"
    page.wait_for_function(f"() => {node}", timeout=_OPEN)
    picture(page, "blueprint")
    fields = page.evaluate(f"() => {node}.widgets.map((widget) => [widget.name, widget.value])")
    assert ["token_string", "my-cat"] in fields
    assert ["max_train_steps", 1500] in fields
    page.evaluate(
        f"""() => {{
            const loader = LiteGraph.createNode("CheckpointLoaderSimple");
            loader.pos = [{node}.pos[0] - 400, {node}.pos[1]];
            app.graph.add(loader);
            loader.widgets[0].value = "sd1-0.safetensors";
            for (const slot of [0, 1, 2]) loader.connect(slot, {node}, slot);
            const values = {{ token_string: "blue", folder: "cats", max_train_steps: 3 }};
            for (const widget of {node}.widgets)
                if (widget.name in values) widget.value = values[widget.name];
            const inside = {{ width: 64, height: 64, sample_every_n_steps: 0 }};
            for (const widget of {node}.subgraph.nodes.flatMap((inner) => inner.widgets ?? []))
                if (widget.name in inside) widget.value = inside[widget.name];
        }}"""
    )
    queue(page)
    finish(page)
    assert len(comfy.losses("blue")) == 3
