"""Hypernetworks in graphs of a real ComfyUI, beside its own loader; see CONTRIBUTING."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image

from tests.real_hosts.comfyui import ComfyUI, Outcome, serving
from tests.real_hosts.graphs import loaded, node, picture, strengthened, teaching
from ti_core.hypernetworks.reading import read_hypernetwork

pytestmark = pytest.mark.skipif(
    not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no checkout of ComfyUI"
)
CHANGED = ("7", 0)
"""The MODEL that a hypernetwork is applied to."""


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """One server for all tests."""
    with serving(tmp_path_factory.mktemp("comfyui"), {"sd1"}) as server:
        yield server


def pixels(comfy: ComfyUI, entry: dict[str, Any]) -> torch.Tensor:
    with Image.open(io.BytesIO(comfy.image(entry))) as image:
        shape = (image.height, image.width, 3)
        data = bytearray(image.convert("RGB").tobytes())
    return torch.frombuffer(data, dtype=torch.uint8).reshape(shape).int()


def shown(comfy: ComfyUI, outcome: Outcome, at: int = 20) -> torch.Tensor:
    """What `picture` shows."""
    assert outcome.status == "success", outcome.error.get("exception_message")
    return pixels(comfy, outcome.outputs[str(at + 4)]["images"][0])


def apart(one: torch.Tensor, other: torch.Tensor) -> int:
    return int((one - other).abs().max())


def test_trained_and_applied_in_one_graph_it_gives_the_picture_of_preview_and_core_loader(
    comfy: ComfyUI,
) -> None:
    """At a strength of 0.7, three ways; and without it as before."""
    text = "a cat in a garden"
    plain = shown(comfy, comfy.run(loaded("sd1") | picture(text, at=40)), 40)
    preview = f"{text} <hypernet:style:0.7> --w 64 --h 64 --s 2 --d 1 --l 5"
    graph = teaching(sample_prompts=preview, sample_every_n_steps=4, resume="new")
    outcome = comfy.run(
        graph | strengthened(("5", 0), 0.7) | picture(text, model=CHANGED) | picture(text, at=60)
    )
    applied = shown(comfy, outcome)
    assert apart(applied, plain) > 1
    assert torch.equal(shown(comfy, outcome, 60), plain), "the MODEL stays as it was"
    seen = pixels(comfy, outcome.outputs["5"]["images"][-1])
    assert apart(seen[:, :64], plain) <= 1, "at the left, without it"
    assert apart(seen[:, -64:], applied) <= 1, "at the right, at 0.7"
    file, strength = {"hypernetwork_name": "style.pt"}, {"strength": 0.7}
    theirs = {"7": node("HypernetworkLoader", model=("1", 0), **file, **strength)}
    found = comfy.run(loaded("sd1") | theirs | picture(text, model=CHANGED))
    assert apart(shown(comfy, found), applied) <= 1
    ours = {"8": node("TI_LoadHypernetwork", file="style.pt")} | strengthened(("8", 0), 0.7)
    found = comfy.run(loaded("sd1") | ours | picture(text, model=CHANGED))
    assert torch.equal(shown(comfy, found), applied)
    assert torch.equal(shown(comfy, comfy.run(loaded("sd1") | picture(text, at=80)), 80), plain)


def test_it_is_shown_while_it_trains_and_not_trained_twice(comfy: ComfyUI) -> None:
    graph = teaching(name="told", sample_every_n_steps=2)
    outcome = comfy.run(graph)
    assert outcome.status == "success", outcome.error.get("exception_message")
    assert any("loss" in text and "left" in text for where, text in outcome.texts if where == "5")
    assert outcome.previews >= 2
    assert comfy.run(loaded("sd1") | picture("a dog", at=60)).status == "success"
    assert comfy.run(graph).status == "success"
    runs = comfy.folder / "output" / "textual_inversion"
    assert len(list(runs.glob("*/told*"))) == 1


def test_interrupt_keeps_the_state_and_the_run_continues_to_the_same_numbers(
    comfy: ComfyUI,
) -> None:
    # captions name the run, which is a word like any other in prompts of a hypernetwork
    how: dict[str, Any] = {"steps": 8, "prompt_template": "none"}
    assert comfy.run(teaching(name="whole", **how)).status == "success"
    pressed: list[Any] = []

    def interrupt(message: dict[str, Any]) -> None:
        if message["type"] == "progress" and message["data"]["value"] >= 2 and not pressed:
            pressed.append(comfy.post("/interrupt", {}))

    outcome = comfy.run(teaching(name="part", **how), interrupt)
    assert outcome.status == "interrupted"
    assert any('set Resume to "latest"' in text for _, text in outcome.texts)
    (run,) = comfy.get("/ti/unfinished")["runs"]
    assert (run["kind"], run["name"], run["steps"]) == ("hypernetwork", "part", 8)
    assert comfy.run(teaching(name="part", resume=run["label"], **how)).status == "success"
    whole, part = (read_hypernetwork(comfy.hypernetworks / f"{n}.pt") for n in ("whole", "part"))
    assert part.step == 8
    assert all(torch.equal(each, part.tensors[name]) for name, each in whole.tensors.items())
    assert comfy.get("/ti/unfinished")["runs"] == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"layer_structure": "1, 2"}, "begin and end with 1"),
        ({"hypernetwork_name": "../../evil"}, "path parts"),
        ({"enable_sizes": "333"}, "333"),
        ({"learning_rate": "nan"}, ""),
        ({"sample_prompts": "a <hypernet:nobody:1>", "sample_every_n_steps": 1}, "nobody"),
        ({"format": "exe"}, "pt"),
        ({"resume": "latest", "hypernetwork_name": "never"}, "no run of never"),
    ],
)
def test_a_bad_input_is_explained_and_the_server_lives(
    comfy: ComfyUI, changes: dict[str, Any], told: str
) -> None:
    graph = teaching(steps=2, name="bad", **changes)
    status, answer = comfy.post("/prompt", {"prompt": graph})
    if status == 200 and not answer["node_errors"]:
        outcome = comfy.run(graph)
        assert outcome.status == "error"
        message = str(outcome.error["exception_message"])
        assert str(comfy.folder) not in message
    else:
        message = str(answer)
    assert told in message
    assert comfy.alive()
