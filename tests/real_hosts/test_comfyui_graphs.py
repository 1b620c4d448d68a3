"""Graphs in a real ComfyUI, over HTTP and its websocket alone; see CONTRIBUTING for how to run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from tests.real_hosts.comfyui import ComfyUI, Outcome
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding

pytestmark = pytest.mark.skipif(
    not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no checkout of ComfyUI"
)
FAMILIES = os.environ.get("COMFYUI_FAMILIES", "sd1").split(",")
"""Which random models to try: of sd1, sd1-inpaint, sd2, sd2-v, sdxl, sdxl-v."""
Graph = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """One server for all tests."""
    base = tmp_path_factory.mktemp("comfyui")
    server = ComfyUI(base, _checkpoints(base / "checkpoints"))
    _draw(base / "input" / "cats")
    server.start()
    yield server
    server.stop()


def _checkpoints(folder: Path) -> Path:
    from tests.comfy.checkpoints import write

    given = os.environ.get("COMFYUI_CHECKPOINTS")
    folder = Path(given) if given else folder
    folder.mkdir(exist_ok=True)
    for kind in FAMILIES:
        write(kind, folder)
    return folder


def _draw(folder: Path) -> None:
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue")):
        picture = Image.new("RGB", (96, 80), "white")
        ImageDraw.Draw(picture).ellipse((20, 10, 70, 60), fill=colour)
        picture.save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a {colour} [name]")


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """A node as /prompt wants it; ("3", 0) is a cable."""
    cables = {k: list(v) if isinstance(v, tuple) else v for k, v in inputs.items()}
    return {"class_type": kind, "inputs": cables}


def training(family: str = "sd1", name: str = "my-cat", steps: int = 20, **more: Any) -> Graph:
    """Nodes 1 to 6: loader, words, pictures, settings, training, file."""
    lent = {"model": ("1", 0), "clip": ("1", 1)}
    settings = {
        "max_train_steps": steps,
        "learning_rate": "0.005",
        "lr_scheduler": "constant",
        "lr_warmup_steps": 0,
        "train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "mixed_precision": "no",
        "seed": 0,
        "sample_every_n_steps": 0,
        "sample_prompts": "[name] --w 64 --h 64 --s 2",
    }
    created = {"init_word": "cat", "num_vectors_per_token": 2, "init_rule": "stretch"}
    created |= {"metadata_is_negative_embedding": False, "metadata_license": ""}
    folder = {"folder": "cats", "width": 64, "height": 64, "resize_mode": "cover"}
    graph = {
        "1": node("CheckpointLoaderSimple", ckpt_name=f"{family}-0.safetensors"),
        "2": node("TI_CreateEmbedding", **lent, token_string=name, **created),
        "3": node("TI_DatasetFromFolder", **folder, prompt_template="auto"),
        "4": node("TI_TrainingSettings", **settings),
        "5": node(
            "TI_TrainEmbedding",
            **lent,
            vae=("1", 2),
            embedding=("2", 0),
            dataset=("3", 0),
            settings=("4", 0),
            resume="new",
        ),
        "6": node("TI_SaveEmbedding", embedding=("5", 0), name="", format="safetensors"),
    }
    graph["6"]["inputs"]["when_there"] = "overwrite"
    for key, value in more.items():
        number = next(n for n in graph if key in graph[n]["inputs"])
        graph[number]["inputs"][key] = value
    return graph


def picture(text: str, clip: tuple[str, int] = ("1", 1), at: int = 20) -> Graph:
    """A picture of a prompt, shown by node `at` + 4."""
    cfg = {"seed": 1, "steps": 2, "cfg": 5.0, "denoise": 1.0}
    names = [str(at + i) for i in range(6)]
    return {
        names[0]: node("CLIPTextEncode", clip=clip, text=text),
        names[1]: node("CLIPTextEncode", clip=("1", 1), text=""),
        names[2]: node("EmptyLatentImage", width=64, height=64, batch_size=1),
        names[3]: node(
            "KSampler",
            **cfg,
            sampler_name="euler",
            scheduler="normal",
            model=("1", 0),
            positive=(names[0], 0),
            negative=(names[1], 0),
            latent_image=(names[2], 0),
        ),
        names[4]: node("PreviewImage", images=(names[5], 0)),
        names[5]: node("VAEDecode", samples=(names[3], 0), vae=("1", 2)),
    }


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
    plain = {"1": training(family)["1"], **picture("a photo of a cat")}
    before = shown(comfy, comfy.run(plain))
    graph = training(family, name)
    graph["7"] = node(
        "TI_ApplyEmbedding", clip=("1", 1), embedding=("5", 0), weight=1.0, text="a [name]"
    )
    graph |= picture(f"a embedding:{name} on a table", ("7", 0))
    applied = shown(comfy, comfy.run(graph))
    assert (comfy.embeddings / f"{name}.safetensors").is_file()
    from_file = {"1": graph["1"], **picture(f"a embedding:{name} on a table", ("1", 1), 40)}
    assert shown(comfy, comfy.run(from_file), 40) == applied
    start = {"1": graph["1"], "2": graph["2"]}
    start["7"] = node(
        "TI_ApplyEmbedding", clip=("1", 1), embedding=("2", 0), weight=1.0, text="[name]"
    )
    untrained = shown(comfy, comfy.run(start | picture(f"a embedding:{name} on a table", ("7", 0))))
    assert untrained != applied
    plain["22"]["inputs"]["batch_size"] = 2  # another value: nothing comes from the cache
    again = comfy.run(plain)
    assert "23" not in again.cached
    assert len(before) > 0
    assert shown(comfy, comfy.run({"1": graph["1"], **picture("a photo of a cat", at=60)}), 60) == (
        before
    )


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


def test_interrupt_keeps_the_state_and_the_run_goes_on_to_the_same_vectors(comfy: ComfyUI) -> None:
    assert comfy.run(training(steps=12, name="whole")).status == "success"

    def interrupt(message: dict[str, Any]) -> None:
        if message["type"] == "progress" and message["data"]["value"] == 4:
            comfy.post("/interrupt", {})

    outcome = comfy.run(training(steps=12, name="part"), interrupt)
    assert outcome.status == "interrupted"
    assert any("is kept in output" in text for _, text in outcome.texts)
    (folder,) = (comfy.folder / "output" / "textual_inversion").glob("*/part")
    assert list((folder / "state").glob("*.safetensors"))
    assert comfy.run(training(steps=12, name="part", resume="latest")).status == "success"
    whole, part = (read_embedding(comfy.embeddings / f"{n}.safetensors") for n in ("whole", "part"))
    assert torch.equal(whole.vectors["emb_params"], part.vectors["emb_params"])


def test_finish_now_keeps_the_embedding_and_the_graph_goes_on(comfy: ComfyUI) -> None:
    answers = []

    def finish(message: dict[str, Any]) -> None:
        if message["type"] == "progress" and message["data"]["value"] == 3:
            answers.append(comfy.get("/ti/runs"))
            answers.append(comfy.post("/api/ti/runs", {"action": "preview", "node": "5"}))
            answers.append(comfy.post("/ti/runs", {"action": "finish", "node": "5"}))

    outcome = comfy.run(training(steps=500, name="short"), finish)
    assert outcome.status == "success"
    assert answers[0]["runs"][0]["steps"] == 500
    assert answers[1][0] == answers[2][0] == 200
    assert 3 <= read_embedding(comfy.embeddings / "short.safetensors").step < 50
    assert outcome.previews >= 1
    assert comfy.post("/ti/runs", {"action": "finish"})[0] == 404
    assert comfy.post("/ti/runs", {"action": "explode"})[0] == 400
    assert comfy.post("/ti/runs", b"no json")[0] == 400


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
        ({"folder": "dogs"}, "no folder"),
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
    if status == 200:
        outcome = comfy.run(graph)
        assert outcome.status == "error"
        message = str(outcome.error["exception_message"])
        assert str(comfy.folder) not in message
    else:
        message = str(answer)
    assert told in message
    assert comfy.alive()
    comfy.get("/history")  # strict JSON: no NaN came through


def test_nan_that_comfyui_lets_through_never_comes_into_its_history(comfy: ComfyUI) -> None:
    graph = training(steps=2, name="nan")
    graph["7"] = node(
        "TI_ApplyEmbedding", clip=("1", 1), embedding=("2", 0), weight=float("nan"), text=""
    )
    del graph["5"], graph["6"]
    status, answer = comfy.post("/prompt", {"prompt": graph | picture("a", ("7", 0))})
    assert status == 400
    assert "weight is no number" in str(answer)
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
