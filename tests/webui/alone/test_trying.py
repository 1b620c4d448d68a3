"""Pictures with the words of the library and without them, and their settings read back."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from ti_core.cli.generate import GenerateConfig
from ti_core.files.embedding import Embedding
from ti_core.files.infotext import read_parameters
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import EmbeddingConfig
from ti_core.train.create import create_embedding
from ti_webui.alone.try_tab import TryPage
from ti_webui.alone.trying import pictures_folder, start_try
from ti_webui.forms import Form
from ti_webui.job import Job
from ti_webui.studio import Studio

from ..conftest import finished


@pytest.fixture
def word(host: FakeHost) -> Embedding:
    """zz-tree, which means "tree"."""
    path = create_embedding(EmbeddingConfig("zz-tree", init_word="tree"), host, host.folder)
    return read_embedding(path)


@pytest.fixture
def page(studio: Studio) -> TryPage:
    return TryPage(studio, Form(GenerateConfig, "ti_try"))


def made(studio: Studio, prompt: str, beside: bool = True, count: int = 1) -> Job:
    config = GenerateConfig(prompt, images_per_prompt=count, steps=2, W=64, H=64, seed=5)
    job = finished(start_try(studio, config, beside))
    assert job.progress.state == "done", job.progress.error
    return job


def test_each_picture_has_one_without_the_word_from_the_same_seed(
    studio: Studio, word: Embedding
) -> None:
    previews = made(studio, "a zz-tree", count=2).progress.previews
    shown = sorted(previews, key=lambda one: one.step)
    assert [one.path.stem.split("-")[1] for one in shown] == ["5", "5", "6", "6"]
    told = [read_parameters(one.path).split("\n")[0] for one in shown]
    assert told == ["a zz-tree", "a tree", "a zz-tree", "a tree"]
    assert {one.path.parent for one in shown} == {pictures_folder(studio)}


def test_an_untrained_word_gives_the_picture_of_what_it_is_replaced_by(
    studio: Studio, word: Embedding
) -> None:
    one, other = sorted(made(studio, "a zz-tree").progress.previews, key=lambda one: one.step)
    assert other.prompt == "without, seed 5: a tree"
    with Image.open(one.path) as a, Image.open(other.path) as b:
        assert ImageChops.difference(a, b).getbbox() is None


def test_a_word_that_does_not_tell_what_it_meant_is_left_out(
    studio: Studio, word: Embedding
) -> None:
    write_embedding(studio.save_dir() / "zz-mute.pt", Embedding("zz-mute", word.vectors), "pt")
    previews = made(studio, "tall zz-mute").progress.previews
    assert previews[1].prompt == "without, seed 5: tall "


def test_what_is_told_of_the_words_is_told_once(studio: Studio, word: Embedding) -> None:
    notices = made(studio, "a zz-tree").progress.notices
    assert [(notice.level, notice.what[:26]) for notice in notices] == [
        ("info", "prompt: zz-tree is used: c")
    ]


def test_a_picture_of_the_session_fills_the_form_in(page: TryPage, word: Embedding) -> None:
    for name in ("prompt", "negative_prompt", "seed", "W", "H", "images_per_prompt"):
        page.form.add(name)
    job = made(page.studio, "a zz-tree", beside=False)
    page.show(job, job.progress)
    _, said, *updates = page.press_read(str(page.made[0]))
    values = {name: u.get("value") for name, u in zip(page.form.components, updates, strict=True)}
    assert "are filled in" in said
    assert (values["prompt"], values["seed"], values["W"]) == ("a zz-tree", 5, 64)
    Image.new("RGB", (8, 8)).save(page.made[0])
    assert "says nothing of its making" in page.press_read(str(page.made[0]))[1]


def test_a_word_is_put_where_it_belongs_once(page: TryPage, word: Embedding) -> None:
    assert page.press_word(["zz-tree"], "a ", "") == ["a zz-tree", ""]
    assert page.press_word(["zz-tree"], "a ZZ-tree", "") == ["a ZZ-tree", ""]
    negative = Embedding("zz-bad", word.vectors, 0, {"modelspec.is_negative_embedding": "true"})
    write_embedding(page.studio.save_dir() / "zz-bad.safetensors", negative)
    page.collection.refresh()
    assert page.press_word(["zz-bad"], "a", "dark") == ["a", "dark zz-bad"]


def test_the_words_are_those_that_fit(page: TryPage, word: Embedding) -> None:
    vectors = {"emb_params": word.vectors["emb_params"].repeat(1, 2)}
    write_embedding(page.studio.save_dir() / "wide.safetensors", Embedding("wide", vectors))
    words, samplers = page.look(True)
    assert words["samples"] == [["zz-tree"]]
    assert samplers["choices"] == list(page.studio.host().features().samplers)
