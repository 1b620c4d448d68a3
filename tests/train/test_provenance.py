"""What a file tells of its making, and a training from nothing but that file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ti_core import __version__
from ti_core.data.dataset import read_dataset
from ti_core.errors import ConfigError, EmbeddingError
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.options import make_config
from ti_core.train.again import settings_of
from ti_core.train.config import TrainConfig
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.provenance import data_digest, provenance

from ..conftest import Configure


def told(config: TrainConfig, host: FakeHost | None = None) -> dict[str, str]:
    return read_embedding(train(config, host or FakeHost())).metadata


def test_a_file_tells_version_pictures_prompts_and_vae(configure: Configure) -> None:
    found = told(configure())
    assert found["ti.version"] == __version__
    assert len(found["ti.data"]) == 32
    assert found["ti.template"] == "subject_filewords"
    assert len(found["ti.vae"]) == 16


def test_every_copy_tells_the_same(configure: Configure, tmp_path: Path) -> None:
    keys = ("ti.version", "ti.data", "ti.template", "ti.vae")
    last = told(configure(save_every_n_steps=5))
    copies = sorted(tmp_path.glob("log/*/*/embeddings/*.safetensors"))
    assert len(copies) == 2
    for path in copies:
        assert {key: read_embedding(path).metadata[key] for key in keys} == {
            key: last[key] for key in keys
        }


def test_another_vae_has_another_fingerprint(configure: Configure) -> None:
    one, other = FakeHost(), FakeHost()
    with torch.no_grad():
        other.vae.weight.mul_(1.5)
    assert told(configure(), one)["ti.vae"] != told(configure(overwrite=True), other)["ti.vae"]


def test_names_and_folders_do_not_count_and_everything_else_does(
    configure: Configure, pictures: Path, tmp_path: Path
) -> None:
    def digest(**changes: object) -> str:
        return data_digest(read_dataset(configure(**changes).data, "zz-thing", 64))

    first = digest()
    moved = tmp_path / "moved"
    pictures.rename(moved)
    assert digest(train_data_dir=str(moved)) == first
    for path in sorted(moved.iterdir()):
        path.with_suffix(".txt").write_text(path.stem.partition("0-")[2])
        path.rename(path.with_name(f"a{path.name}")) if path.suffix == ".png" else None
    seen = {first, digest(train_data_dir=str(moved))}
    (moved / "b.txt").write_text("words")
    some = next(moved.glob("*.png"))
    (moved / "b.png").write_bytes(some.read_bytes())
    seen.add(digest(train_data_dir=str(moved)))
    (moved / "b.txt").write_text("other words")
    seen.add(digest(train_data_dir=str(moved)))
    (moved / "b_mask.png").write_bytes(some.read_bytes())
    seen.add(digest(train_data_dir=str(moved), masked_loss=True))
    assert len(seen) == 5
    assert "" not in seen


def test_no_path_comes_into_a_file_and_own_lines_do(configure: Configure, tmp_path: Path) -> None:
    lines = tmp_path / "mine.txt"
    lines.write_text("# a comment\n\na [name], [filewords]\n[name] at night\n")
    found = told(configure(prompt_template=str(lines)))
    assert found["ti.template"] == "a [name], [filewords]\n[name] at night"
    assert str(tmp_path) not in json.dumps(found)


def test_folders_with_templates_of_their_own_are_not_told_as_one(pictures: Path) -> None:
    config = make_config(TrainConfig, {"token_string": "zz", "train_data_dir": str(pictures)})
    dataset = read_dataset(config.data, "zz", 64)
    assert provenance(dataset)["ti.template"] == "subject_filewords"
    (source,) = dataset.sources
    two = replace(
        dataset,
        sources=(source, replace(source, template=("[name]",))),
        origin=(0, 1, 0, 1, 0),
    )
    assert "ti.template" not in provenance(two)


# --- train again ------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["style_filewords.txt", "own", "one line of zz-thing"])
def test_the_settings_of_a_file_give_its_vectors_once_more(
    configure: Configure, tmp_path: Path, template: str
) -> None:
    if "_" not in template:
        path = tmp_path / "mine.txt"
        path.write_text("[name]!\na [name]" if template == "own" else template)
        template = str(path)
    config = configure(
        prompt_template=template,
        num_vectors_per_token=2,
        seed=5,
        learning_rate="0.01:4, 0.002",
        metadata_license="CC0-1.0",
        metadata_is_negative_embedding=True,
        shuffle_caption=True,
    )
    made = read_embedding(train(config, FakeHost()))
    settings = settings_of(made)
    again = configure(
        **{**settings, "token_string": "zz-thing", "overwrite": True, "resolution": None},
    )
    second = read_embedding(train(again, FakeHost()))
    assert torch.equal(second.vectors["emb_params"], made.vectors["emb_params"])
    assert second.metadata == made.metadata


def test_training_again_with_other_pictures_is_told(configure: Configure, pictures: Path) -> None:
    settings = settings_of(read_embedding(train(configure(), FakeHost())))

    def warnings() -> list[str]:
        again = configure(**{**settings, "token_string": "zz-again", "resolution": None})
        return [notice.what for notice in make_plan(again, FakeHost()).notices]

    assert not any("images or captions are not those" in each for each in warnings())
    next(pictures.glob("*.txt")).write_text("another caption")
    assert sum("images or captions are not those" in each for each in warnings()) == 1
    settings["expected_data"] = ""
    assert not any("images or captions are not those" in each for each in warnings())


def test_no_setting_that_names_a_path_comes_from_a_file(configure: Configure) -> None:
    made = read_embedding(train(configure(), FakeHost()))
    evil = {**json.loads(made.metadata["ti.config"]), "output_dir": "/etc", "weights": "/etc/x"}
    found = settings_of(replace(made, metadata={**made.metadata, "ti.config": json.dumps(evil)}))
    assert not {"output_dir", "weights", "train_data_dir", "logging_dir"} & found.keys()


@pytest.mark.parametrize(
    "config",
    [
        *("", "null", "[]", "{", "[" * 100_000),
        json.dumps({"tool": "merge", "expression": "a + b"}),
        json.dumps({"init_word": "tree", "num_vectors_per_token": 1}),
    ],
)
def test_files_that_do_not_tell_are_named(config: str) -> None:
    one = Embedding("x", {"emb_params": torch.zeros(1, 12)}, metadata={"ti.config": config})
    with pytest.raises(EmbeddingError, match="x does not record how it was trained"):
        settings_of(one)


def test_values_that_nobody_could_set_are_refused(configure: Configure) -> None:
    made = read_embedding(train(configure(), FakeHost()))
    evil = {**json.loads(made.metadata["ti.config"]), "max_train_steps": 10**12}
    bad = replace(made, metadata={**made.metadata, "ti.config": json.dumps(evil)})
    with pytest.raises(ConfigError, match="max_train_steps"):
        settings_of(bad)


def test_it_is_told_in_every_format_of_a_file(configure: Configure, tmp_path: Path) -> None:
    made = read_embedding(train(configure(), FakeHost()))
    for kind, name in (("pt", "a.pt"), ("png", "a.png"), ("kohya", "b.pt")):
        write_embedding(tmp_path / name, made, kind)
        assert settings_of(read_embedding(tmp_path / name)) == settings_of(made)
