"""The node that trains several embeddings in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call, created, dataset, settings, trained
from tests.comfy.nodes.test_training import press_interrupt_at
from ti_core.errors import TrainingError
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import (
    EmbeddingConfig,
    OptimizerConfig,
    OutputConfig,
    TrainConfig,
    WordsConfig,
)
from ti_core.train.loop import train


@pytest.fixture
def ink(comfy: dict[str, Path]) -> str:
    """Another folder of images."""
    folder = comfy["input"] / "ink"
    folder.mkdir()
    for number, colour in enumerate(("black", "grey", "navy")):
        Image.new("RGB", (64, 64), colour).save(folder / f"{number}.png")
    return "ink"


def both(pictures: str, ink: str, **more: Any) -> Any:
    """Two embeddings are trained."""
    inputs: dict[str, Any] = {
        "model": "sd1",
        "clip": "clip",
        "vae": "vae",
        "settings": settings(6),
        "embedding_1": created(),
        "dataset_1": dataset(pictures),
        "embedding_2": created("my-ink", 3, init_word="drawing"),
        "dataset_2": dataset(ink, prompt_template="style"),
        **more,
    }
    return call("TrainEmbeddings", **inputs)


def same(one: Any, two: Any) -> bool:
    return all(torch.equal(one.vectors[key], two.vectors[key]) for key in one.vectors)


def test_it_makes_what_the_core_makes_of_the_same_words(
    pictures: str, ink: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    cat, drawing, third, fourth, log, _ = both(pictures, ink).args
    words = [
        {
            "token_string": "my-cat",
            "init_word": "cat",
            "num_vectors_per_token": 2,
            "train_data_dir": str(comfy["input"] / pictures),
            "resolution": [64, 64],
        },
        {
            "token_string": "my-ink",
            "init_word": "drawing",
            "num_vectors_per_token": 3,
            "train_data_dir": str(comfy["input"] / ink),
            "resolution": [64, 64],
            "prompt_template": "style",
        },
    ]
    with torch.inference_mode(False):
        config = TrainConfig(
            EmbeddingConfig(),
            optimizer=OptimizerConfig(max_train_steps=6),
            output=OutputConfig(str(tmp_path / "there"), logging_dir=str(tmp_path / "logs")),
            several=WordsConfig(json.dumps({"words": words})),
        )
        path = train(config, FakeHost(tmp_path))
    assert (cat.name, cat.count, cat.step) == ("my-cat", 2, 6)
    assert (drawing.name, drawing.count, drawing.step) == ("my-ink", 3, 6)
    assert same(cat, read_embedding(path))
    assert same(drawing, read_embedding(path.with_stem("my-ink")))
    assert log.name == "my-cat-my-ink"
    assert third == program.Blocker("embedding 3 is not connected to Train Several Embeddings")
    assert fourth == program.Blocker("embedding 4 is not connected to Train Several Embeddings")


def test_an_embedding_that_was_trained_starts_from_its_vectors_at_step_0(
    pictures: str, ink: str
) -> None:
    before = trained(pictures, steps=4).args[0]
    slow = settings(2, learning_rate="1e-12")
    cat = both(pictures, ink, embedding_1=before, settings=slow).args[0]
    assert (before.step, cat.step) == (4, 2)
    assert same(cat, before)


def test_an_embedding_comes_out_at_its_own_place(pictures: str, ink: str) -> None:
    words = {"embedding_4": created("fourth", 1), "dataset_4": dataset(ink)}
    cat, _, third, fourth, _, _ = both(pictures, ink, **words).args
    assert isinstance(third, program.Blocker)
    assert (cat.name, fourth.name, fourth.count) == ("my-cat", "fourth", 1)


def test_the_same_graph_is_not_trained_twice_and_another_caption_is(
    pictures: str, ink: str, comfy: dict[str, Path]
) -> None:
    first, again = both(pictures, ink).args, both(pictures, ink).args
    assert again[4].folder == first[4].folder
    (comfy["input"] / ink / "0.txt").write_text("another caption")
    assert both(pictures, ink).args[4].folder != first[4].folder


def test_a_run_is_resumed_to_the_same_vectors(pictures: str, ink: str) -> None:
    half, whole = settings(4, seed=1), settings(6, seed=1)
    log = both(pictures, ink, settings=half).args[4]
    resumed = both(pictures, ink, settings=whole, resume="latest").args
    assert resumed[4].folder == log.folder
    assert [step for step, _, _ in resumed[4].losses] == [1, 2, 3, 4, 5, 6]
    expected = both(pictures, ink, settings=whole).args
    assert same(resumed[0], expected[0])
    assert same(resumed[1], expected[1])


def test_a_run_that_was_interrupted_is_offered_by_the_node_that_trains_it(
    pictures: str, ink: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = both(pictures, ink, embedding_1=created("whole")).args
    with monkeypatch.context() as patch:
        press_interrupt_at(4, patch)
        with pytest.raises(program.InterruptError):
            both(pictures, ink)
    _, _, label = choices("TI_TrainEmbeddings")
    assert label.startswith("my-cat-my-ink, step 4 of 6, 20")
    assert choices("TI_TrainEmbedding") == ["new", "latest"]
    with pytest.raises(TrainingError, match="no run of my-cat"):
        trained(pictures, resume="latest")
    resumed = both(pictures, ink, resume=label).args
    assert same(resumed[0], whole[0])
    assert same(resumed[1], whole[1])
    assert choices("TI_TrainEmbeddings") == ["new", "latest"]


def choices(node: str) -> list[str]:
    inputs = program.every_node()[node].define_schema().inputs
    return next(list(each.options) for each in inputs if each.id == "resume")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"embedding_3": "created"}, "dataset 3 is not connected"),
        ({"dataset_3": "ink"}, "embedding 3 is not connected"),
        ({"embedding_2": "created"}, "two words are called"),
    ],
)
def test_what_does_not_fit_is_an_error(
    pictures: str, ink: str, more: dict[str, str], told: str
) -> None:
    made = {"created": created, "ink": lambda: dataset(ink)}
    with pytest.raises(Exception, match=told):
        both(pictures, ink, **{key: made[value]() for key, value in more.items()})


def test_previews_show_each_embedding(pictures: str, ink: str) -> None:
    names = [each["filename"] for each in both(pictures, ink).ui["images"]]
    assert len(set(names)) == 6, "of each after 0, 3 and 6 steps"
