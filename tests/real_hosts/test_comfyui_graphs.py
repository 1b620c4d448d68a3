"""Graphs in a real ComfyUI, over HTTP and its websocket alone; see CONTRIBUTING for how to run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image

from tests.comfy.checkpoints import write_lora
from tests.real_hosts.comfyui import ComfyUI, Outcome, serving
from tests.real_hosts.graphs import (
    Graph,
    applying,
    loaded,
    node,
    picture,
    through_lora,
    training,
    training_two,
)
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding

pytestmark = pytest.mark.skipif(
    not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no checkout of ComfyUI"
)
FAMILIES = os.environ.get("COMFYUI_FAMILIES", "sd1").split(",")
"""Which random models to try: of sd1, sd1-full, sd1-inpaint, sd2, sd2-v, sdxl, sdxl-v."""


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """One server for all tests."""
    with serving(tmp_path_factory.mktemp("comfyui"), {"sd1", *FAMILIES}) as server:
        write_lora(server.checkpoints / "sd1-0.safetensors", server.loras / "random.safetensors")
        yield server


def shown(comfy: ComfyUI, outcome: Outcome, at: int = 20) -> bytes:
    """The pixels that `picture` shows."""
    assert outcome.status == "success", outcome.error.get("exception_message")
    data = comfy.image(outcome.outputs[str(at + 4)]["images"][0])
    path = comfy.folder / "seen.png"
    path.write_bytes(data)
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_embedding_gives_the_same_picture_from_its_file_and_from_the_graph(
    comfy: ComfyUI, family: str
) -> None:
    name = f"cat-{family}"
    prompt = f"a embedding:{name} on a table"
    before = shown(comfy, comfy.run(loaded(family) | picture("a photo of a cat")))
    graph = training(family, name)
    applied = shown(comfy, comfy.run(graph | applying("5", prompt)))
    made = read_embedding(comfy.embeddings / f"{name}.safetensors")
    assert made.step == 20
    assert shown(comfy, comfy.run(loaded(family) | picture(prompt, at=40)), 40) == applied
    start = loaded(family) | {"2": graph["2"]}
    assert shown(comfy, comfy.run(start | applying("2", prompt))) != applied
    assert "23" not in comfy.run(loaded(family) | picture("a dog")).cached  # forgets the first
    again = comfy.run(loaded(family) | picture("a photo of a cat", at=60))
    assert "63" not in again.cached
    assert shown(comfy, again, 60) == before


def test_two_embeddings_are_trained_in_one_run_and_used_in_one_prompt(comfy: ComfyUI) -> None:
    graph = training_two("cat-1", "ink-2", steps=6)
    outcome = comfy.run(graph)
    assert outcome.status == "success", outcome.error.get("exception_message")
    made = [read_embedding(comfy.embeddings / f"{name}.safetensors") for name in ("cat-1", "ink-2")]
    assert [(word.name, word.step) for word in made] == [("cat-1", 6), ("ink-2", 6)]
    assert len(comfy.losses("cat-1-ink-2")) == 6
    both = "embedding:cat-1 and embedding:ink-2 on a table"
    options = {"weight": 1.0, "text": "a [name]"}
    first = {"9": node("TI_ApplyEmbedding", clip=("1", 1), embedding=("5", 0), **options)}
    second = {"10": node("TI_ApplyEmbedding", clip=("9", 0), embedding=("5", 1), **options)}
    applied = shown(comfy, comfy.run(graph | first | second | picture(both, ("10", 0))))
    assert shown(comfy, comfy.run(loaded("sd1") | picture(both, at=40)), 40) == applied
    third = {"11": node("TI_SaveEmbedding", **{**graph["6"]["inputs"], "embedding": ("5", 2)})}
    without = comfy.run(graph | third)
    assert without.status == "success"
    assert "6" in without.outputs
    assert "11" not in without.outputs, "what has no input gives nothing"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls(comfy: ComfyUI, family: str) -> None:
    """Beside a run that stands still: the same noise, times and captions at each step."""
    moving, still = f"cat-{family}", f"still-{family}"
    if not list(comfy.folder.glob(f"output/textual_inversion/*/{moving}")):
        assert comfy.run(training(family, moving)).status == "success"
    graph = training(family, still, steps=10, learning_rate="1e-12")
    assert comfy.run(graph).status == "success"
    first, *fallen = comfy.losses(moving)[:10]
    assert first == pytest.approx(comfy.losses(still)[0], rel=1e-6)
    assert sum(fallen) < sum(comfy.losses(still)[1:])


def test_a_training_goes_through_the_loras_of_the_graph_and_leaves_them_as_they_were(
    comfy: ComfyUI,
) -> None:
    def patched(graph: Graph) -> Graph:
        return through_lora(graph, "random.safetensors") | loaded("sd1")

    plain = shown(comfy, comfy.run(loaded("sd1") | picture("a photo of a cat")))
    before = shown(comfy, comfy.run(patched(picture("a photo of a cat"))))
    assert before != plain
    prompt = "a embedding:with-lora on a table"
    graph = patched(training(name="with-lora") | applying("5", prompt))
    applied = shown(comfy, comfy.run(graph))
    assert shown(comfy, comfy.run(patched(picture(prompt, at=40))), 40) == applied
    assert comfy.run(training(name="without-lora")).status == "success"
    one, other = (
        read_embedding(comfy.embeddings / f"{n}-lora.safetensors").vectors["emb_params"]
        for n in ("with", "without")
    )
    assert not torch.allclose(one, other, atol=1e-4)
    again = comfy.run(patched(picture("a photo of a cat", at=60)))
    assert "63" not in again.cached
    assert shown(comfy, again, 60) == before
    assert shown(comfy, comfy.run(loaded("sd1") | picture("a photo of a cat", at=80)), 80) == plain


def test_weight_is_what_brackets_do(comfy: ComfyUI) -> None:
    graph = training(steps=3, name="heavy")
    graph["7"] = node(
        "TI_ApplyEmbedding", clip=("1", 1), embedding=("5", 0), weight=1.4, text="[name]"
    )
    weighted = shown(comfy, comfy.run(graph | picture("a embedding:heavy, red", ("7", 0))))
    written = picture("a (embedding:heavy:1.4), red", at=40)
    assert shown(comfy, comfy.run({"1": graph["1"]} | written), 40) == weighted


def test_the_node_tells_loss_and_time_and_shows_previews(comfy: ComfyUI) -> None:
    outcome = comfy.run(training(steps=6, name="told", sample_every_n_steps=3))
    assert outcome.status == "success"
    assert any("loss" in text and "left" in text for where, text in outcome.texts if where == "5")
    assert outcome.previews >= 2
    values = [m["data"] for m in outcome.messages if m["type"] == "progress"]
    assert {"value": 6, "max": 6} in [{k: v[k] for k in ("value", "max")} for v in values]
    assert len(outcome.outputs["5"]["images"]) == 3
    for entry in outcome.outputs["5"]["images"]:
        assert comfy.image(entry)[:4] == b"\x89PNG"


def test_the_same_graph_again_trains_nothing(comfy: ComfyUI) -> None:
    graph = training(steps=3, name="cached")
    assert comfy.run(graph).status == "success"
    again = comfy.run(graph)
    assert set(graph) <= set(again.cached)
    assert "5" in again.outputs


def test_a_graph_before_the_last_one_trains_nothing_either(comfy: ComfyUI) -> None:
    """ComfyUI has forgotten it by then, and loads the model anew."""
    graph = training(steps=3, name="first")
    before = comfy.run(graph | applying("5", "a embedding:first"))
    assert comfy.run(training(steps=3, name="second")).status == "success"
    assert comfy.run(loaded("sd1") | picture("a dog", at=60)).status == "success"
    again = comfy.run(graph | applying("5", "a embedding:first"))
    assert "5" not in again.cached
    assert shown(comfy, again) == shown(comfy, before)
    runs = comfy.folder / "output" / "textual_inversion"
    assert len(list(runs.glob("*/first*"))) == 1


def test_interrupt_keeps_the_state_and_the_run_goes_on_to_the_same_vectors(comfy: ComfyUI) -> None:
    assert comfy.run(training(steps=30, name="whole")).status == "success"
    pressed: list[Any] = []

    def interrupt(message: dict[str, Any]) -> None:
        if message["type"] == "progress" and message["data"]["value"] >= 4 and not pressed:
            pressed.append(comfy.post("/interrupt", {}))

    outcome = comfy.run(training(steps=30, name="part"), interrupt)
    assert outcome.status == "interrupted"
    assert any(
        "is kept in output" in text and 'set Resume to "latest"' in text
        for _, text in outcome.texts
    )
    (folder,) = (comfy.folder / "output" / "textual_inversion").glob("*/part")
    assert list((folder / "state").glob("*.safetensors"))
    assert comfy.run(training(steps=30, name="part", resume="latest")).status == "success"
    whole, part = (read_embedding(comfy.embeddings / f"{n}.safetensors") for n in ("whole", "part"))
    assert torch.equal(whole.vectors["emb_params"], part.vectors["emb_params"])


def test_finish_now_keeps_the_embedding_and_the_graph_goes_on(comfy: ComfyUI) -> None:
    answers: list[Any] = []

    def finish(message: dict[str, Any]) -> None:
        if message["type"] == "progress" and message["data"]["value"] >= 3 and not answers:
            answers.append(comfy.get("/ti/runs"))
            answers.append(comfy.post("/api/ti/runs", {"action": "preview", "node": "5"}))
            answers.append(comfy.post("/ti/runs", {"action": "finish", "node": "5"}))

    outcome = comfy.run(training(steps=500, name="short"), finish)
    assert outcome.status == "success"
    assert answers[0]["runs"][0]["steps"] == 500
    assert answers[1][0] == answers[2][0] == 200
    assert 3 <= read_embedding(comfy.embeddings / "short.safetensors").step < 450
    assert outcome.previews >= 1
    assert comfy.post("/ti/runs", {"action": "finish"})[0] == 404
    assert comfy.post("/ti/runs", {"action": "explode"})[0] == 400
    assert comfy.post("/ti/runs", b"no json")[0] == 422


def test_two_prompts_that_are_queued_both_run(comfy: ComfyUI) -> None:
    found: dict[str, Outcome] = {}

    def run(name: str) -> None:
        found[name] = comfy.run(training(steps=4, name=name))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert {outcome.status for outcome in found.values()} == {"success"}
    assert all((comfy.embeddings / f"{name}.safetensors").is_file() for name in ("one", "two"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"folder": "../models"}, "input folder"),
        ({"folder": "/etc"}, "input folder"),
        ({"folder": "dogs"}, "dogs"),
        ({"folder": ""}, ""),
        ({"folder": "  "}, ""),
        ({"folder": "."}, ""),
        ({"width": 65}, "multiples of 8"),
        ({"max_train_steps": 1e18}, "1000000"),
        ({"max_train_steps": float("nan")}, ""),
        ({"learning_rate": "nan"}, ""),
        ({"learning_rate": "fast"}, "fast"),
        ({"mixed_precision": "int2"}, "fp16"),
        ({"prompt_template": "/etc/passwd"}, "template"),
        ({"num_vectors_per_token": 100}, ""),
        ({"token_string": "../../evil"}, "path parts"),
        ({"token_string": "a cat"}, "space"),
        ({"sample_prompts": "[name] --w 100000", "sample_every_n_steps": 1}, "preview"),
        ({"resume": "latest", "token_string": "never-trained"}, "no run of"),
        ({"format": "exe"}, "png"),
    ],
)
def test_a_bad_input_is_explained_and_the_server_lives(
    comfy: ComfyUI, changes: dict[str, Any], told: str
) -> None:
    graph = training(steps=2, name="bad", **changes)
    status, answer = comfy.post("/prompt", {"prompt": graph})
    if status == 200 and not answer["node_errors"]:  # with some, other nodes may still run
        outcome = comfy.run(graph)
        assert outcome.status == "error"
        message = str(outcome.error["exception_message"])
        assert str(comfy.folder) not in message + outcome.error["exception_type"]
    else:
        message = str(answer)
    assert told in message
    assert comfy.alive()
    comfy.get("/history")  # strict JSON: no NaN came through


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("a * 0.5 +", "^"),
        ("a*1e400", "1e400"),
        ("a + 'cat'", "MODEL"),
        ("zebra", "zebra"),
        ("(" * 3000 + "a", "a"),
    ],
)
def test_an_expression_that_cannot_be_read_ends_its_run_only(
    comfy: ComfyUI, expression: str, told: str
) -> None:
    """ComfyUI formats what a node raises in its worker thread, which would end if that raised."""
    made = training(name="merged-from")["2"]
    merge = node("TI_MergeEmbeddings", a=("2", 0), expression=expression, name="merged")
    show, alone = (node("TI_InspectEmbedding", embedding=(n, 0), nearest=0) for n in "32")
    outcome = comfy.run({**loaded("sd1"), "2": made, "3": merge, "4": show})
    assert outcome.status == "error"
    assert told in outcome.error["exception_message"]
    assert comfy.run({**loaded("sd1"), "2": made, "4": alone}).status == "success"


def test_nan_that_comfyui_lets_through_never_comes_into_its_history(comfy: ComfyUI) -> None:
    graph = training(steps=2, name="nan")
    graph["7"] = node(
        "TI_ApplyEmbedding", clip=("1", 1), embedding=("2", 0), weight=float("nan"), text=""
    )
    del graph["5"], graph["6"]
    status, answer = comfy.post("/prompt", {"prompt": graph | picture("a", ("7", 0))})
    assert status == 400
    assert "weight is not a number" in str(answer)
    comfy.get("/history")


def test_files_of_strangers_are_read_or_refused_by_the_node(comfy: ComfyUI) -> None:
    made = Embedding("card", {"emb_params": torch.randn(2, 768)}, 12)
    write_embedding(comfy.embeddings / "card.png", made, "png")
    (comfy.embeddings / "broken.pt").write_bytes(b"\x80\x04broken")
    look = {"2": node("TI_InspectEmbedding", embedding=("1", 0), nearest=1)}
    good = comfy.run({"1": node("TI_LoadEmbedding", file="card.png"), **look})
    assert good.status == "success"
    assert "step 12" in good.outputs["2"]["text"][0]
    bad = comfy.run({"1": node("TI_LoadEmbedding", file="broken.pt"), **look})
    assert bad.status == "error"
    assert "broken.pt" in bad.error["exception_message"]


def test_pictures_of_the_graph_can_be_trained_on(comfy: ComfyUI) -> None:
    graph = training(steps=3, name="from-images", resume="new")
    graph["8"] = node("EmptyImage", width=64, height=64, batch_size=3, color=255)
    graph["3"] = node(
        "TI_DatasetFromImages",
        images=("8", 0),
        width=64,
        height=64,
        resize_mode="cover",
        prompt_template="subject",
    )
    assert comfy.run(graph).status == "success"


def test_everything_around_the_nodes_is_served(comfy: ComfyUI) -> None:
    from tests.real_hosts.comfyui import PACK, ROOT

    names = {path.stem for path in (ROOT / "example_workflows").glob("*.json")}
    assert set(comfy.get("/workflow_templates")[PACK]) == names
    assert b"registerExtension" in comfy.bytes_of(f"/extensions/{PACK}/textual_inversion.js")
    assert b"#" in comfy.bytes_of(f"/extensions/{PACK}/docs/TI_TrainEmbedding.md")
    texts = comfy.get("/i18n")
    for language in ("en", "zh", "ja", "de"):
        assert texts[language]["nodeDefs"]["TI_TrainEmbedding"]["display_name"]
