"""Runs of another day, their copies, and the settings of what they made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call, created, dataset, settings, trained
from ti_core.errors import ConfigError, DataError, EmbeddingError


def with_copies(pictures: str, **more: Any) -> Any:
    """A run of six steps that saved a copy every two."""
    how = call("AdvancedSettings", settings=settings(6, **more), save_every_n_steps=2).args[0]
    return trained(pictures, how=how)


def runs() -> list[str]:
    (combo, *_) = program.every_node()["TI_LoadRun"].define_schema().inputs
    return list(combo.options)


def test_a_run_of_another_day_is_listed_and_its_copies_are_loaded(
    pictures: str, comfy: dict[str, Path]
) -> None:
    assert runs() == ["(no training has left a copy)"]
    made, log, _ = with_copies(pictures).args
    (label,) = runs()
    assert comfy["output"] / "textual_inversion" / label == log.folder
    last, told = call("LoadRun", run=label, step=0).args
    assert (last.name, last.step) == ("my-cat", 6)
    assert all(torch.equal(last.vectors[k], made.vectors[k]) for k in made.vectors)
    assert told.losses == log.losses
    assert (told.name, told.folder) == (log.name, log.folder)
    for wanted, step in ((2, 2), (3, 2), (5, 4), (100, 6)):
        assert call("LoadRun", run=label, step=wanted).args[0].step == step
    with pytest.raises(ConfigError, match="at most 1 steps"):
        call("LoadRun", run=label, step=1)


@pytest.mark.parametrize("run", ["../../etc", "/etc", "", "2026-01-01/none", "x\0"])
def test_only_what_stands_in_the_list_is_opened(pictures: str, run: str) -> None:
    with_copies(pictures)
    with pytest.raises(ConfigError, match="there is no run"):
        call("LoadRun", run=run, step=0)
    assert program.every_node()["TI_LoadRun"].fingerprint_inputs(run=run) == ""


def test_an_earlier_copy_is_saved_as_the_embedding(pictures: str, comfy: dict[str, Path]) -> None:
    with_copies(pictures)
    copy = call("LoadRun", run=runs()[0], step=2).args[0]
    saved = call("SaveEmbedding", embedding=copy).args[0]
    assert (saved.name, saved.step) == ("my-cat", 2)
    assert (comfy["embeddings"] / "my-cat.safetensors").is_file()


def test_copies_are_rated_by_pictures_and_the_best_comes_out(pictures: str) -> None:
    log = with_copies(pictures).args[1]
    inputs = {"model": "sd1", "clip": "clip", "vae": "vae", "log": log, "draws": 2}
    found = call("RateCopies", dataset=dataset(pictures), **inputs)
    best, report, step = found.args
    lines = report.splitlines()
    assert [line.split("step")[1].split()[0] for line in lines[:3]] == ["2", "4", "6"]
    (marked,) = [line for line in lines if line.startswith("best ")]
    assert f"step {step:>7}" in marked
    assert (best.name, best.step) == ("my-cat", step)
    assert found.ui["text"][0].startswith(report[:40])
    assert any(done == total for done, total, _ in program.bars)


def test_a_run_without_copies_is_told(pictures: str) -> None:
    log = replace(with_copies(pictures).args[1])
    for path in (log.folder / "embeddings").iterdir():
        path.unlink()
    inputs = {"model": "sd1", "clip": "clip", "vae": "vae", "log": log, "draws": 1}
    with pytest.raises(DataError, match="no copies"):
        call("RateCopies", dataset=dataset(pictures), **inputs)


def test_an_embedding_is_trained_again_from_its_own_settings(pictures: str) -> None:
    own = {"template_lines": "a [name] of mine, [filewords]"}
    how = settings(6, learning_rate="0.01", seed=9)
    one = trained(pictures, how=how, dataset=dataset(pictures, **own)).args[0]
    again, lines = call("SettingsOfEmbedding", embedding=one).args
    assert (again.optimizer.learning_rate, again.compute.seed) == ("0.01", 9)
    assert lines == own["template_lines"]
    quick = replace(again, preview=how.preview)
    two = trained(
        pictures, created(), how=quick, dataset=dataset(pictures, template_lines=lines)
    ).args[0]
    assert all(torch.equal(two.vectors[k], one.vectors[k]) for k in one.vectors)


def test_settings_that_a_graph_may_not_ask_for_are_refused(pictures: str) -> None:
    one = trained(pictures).args[0]
    told = {**json.loads(one.metadata["ti.config"]), "max_train_steps": 9_000_000}
    evil = replace(one, metadata={**one.metadata, "ti.config": json.dumps(told)})
    with pytest.raises(ConfigError, match="largest possible value is 1000000"):
        call("SettingsOfEmbedding", embedding=evil)
    with pytest.raises(EmbeddingError, match="does not record"):
        call("SettingsOfEmbedding", embedding=replace(one, metadata={}))


def test_latents_on_the_disk_stay_in_comfyuis_folders(
    pictures: str, comfy: dict[str, Path]
) -> None:
    how = call("AdvancedSettings", settings=settings(2), cache_latents_to_disk=True).args[0]
    trained(pictures, how=how)
    kept = comfy["output"] / "textual_inversion" / "latents"
    assert any(path.is_file() for path in kept.rglob("*"))


def test_file_words_colours_and_lines_of_captions_reach_the_dataset(pictures: str) -> None:
    given = {
        "caption_lines": "first",
        "filename_word_regex": r"\w+",
        "filename_join_string": ", ",
        "color_aug": True,
    }
    made = call("DatasetOptions", dataset=dataset(pictures), **given).args[0].data
    assert {name: getattr(made, name) for name in given} == given
