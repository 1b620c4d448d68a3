"""Several words in one run: a folder, vectors and a file for each, and one pass over the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ti_core.cli.preset import train_config
from ti_core.compare.copies import config_of_word, list_runs
from ti_core.errors import ConfigError, DataError, TIError, TrainingError
from ti_core.events import Notice
from ti_core.families import FAMILIES
from ti_core.files.embedding import LICENCE, Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.options import make_config, to_dict
from ti_core.train.again import settings_of
from ti_core.train.batches import Batches, encode_pictures
from ti_core.train.config import TrainConfig
from ti_core.train.dry_run import training_prompts
from ti_core.train.events import Finished, PreviewReady, Saved, Started, StepDone
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.run_folder import RunFolder
from ti_core.train.words import words_of, written_out

from ..conftest import Configure
from .spoiled import Log, StopAfter


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Three pictures of another thing."""
    folder = tmp_path / "other"
    folder.mkdir()
    for number, colour in enumerate(("black", "grey", "navy")):
        Image.new("RGB", (64, 64), colour).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def words(pictures: Path, other: Path) -> str:
    """Two words as a text."""
    return as_text(
        {
            "token_string": "zz-thing",
            "train_data_dir": str(pictures),
            "num_vectors_per_token": 2,
            "prompt_template": "subject",
        },
        {"token_string": "qq-ink", "init_word": "drawing", "train_data_dir": str(other)},
    )


def as_text(*tables: dict[str, Any]) -> str:
    return json.dumps({"words": list(tables)})


def both(configure: Configure, words: str, **changes: Any) -> TrainConfig:
    return configure(token_string="", words=words, train_data_dir="", **changes)


def finished(config: TrainConfig, **about: Any) -> list[bytes]:
    """The files of a run."""
    log = Log()
    train(config, FakeHost(**about), log)
    end = log.of(Finished)[0]
    return [path.read_bytes() for path in (end.path, *end.further_paths)]


def test_a_word_alone_is_the_ordinary_run(configure: Configure, pictures: Path) -> None:
    settings = {"num_vectors_per_token": 2, "latent_sampling_method": "random", "overwrite": True}
    ordinary = train(configure(**settings), FakeHost())
    expected = ordinary.read_bytes(), ordinary.with_suffix(".json").read_bytes()
    table = {"name": "zz-thing", "train_data_dir": str(pictures), "num_vectors": 2}
    made = train(both(configure, as_text(table), **settings), FakeHost())
    assert made == ordinary
    assert (made.read_bytes(), made.with_suffix(".json").read_bytes()) == expected


def test_a_picture_changes_its_own_word_alone(configure: Configure, words: str) -> None:
    log = Log()
    config = both(configure, words, save_every_n_steps=1, max_train_steps=16)
    train(config, FakeHost(), log)
    folder = RunFolder(log.of(Started)[0].run_folder)
    plan = make_plan(config, FakeHost(), folder)
    sources = {plan.dataset.source(n).word for n in range(len(plan.dataset.items))}
    assert sources == {"zz-thing", "qq-ink"}
    shown = [plan.dataset.source(plan.order.of_step(step)[0][0]).word for step in range(16)]
    assert set(shown) == sources, "the folders are shuffled together"
    for step in range(1, 16):
        for word in sources:
            copies = (read_embedding(folder.copy_path(word, at)) for at in (step, step + 1))
            before, now = (next(iter(copy.vectors.values())) for copy in copies)
            assert torch.equal(before, now) != (shown[step] == word), (step, word)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_run_of_several_words_is_resumed_bit_for_bit(
    configure: Configure, words: str, tmp_path: Path, family: str
) -> None:
    """From its folder alone: the file with the words is gone."""
    about: dict[str, Any] = {"family": FAMILIES[family]}
    file = tmp_path / "words.json"
    file.write_text(words)
    settings = {"max_train_steps": 20, "train_batch_size": 2, "ema_decay": 0.9}
    whole = finished(both(configure, words, **settings), **about)
    log = Log()
    config = both(configure, str(file), **settings, overwrite=True)
    train(config, FakeHost(**about), log, StopAfter(log, 7))
    folder = RunFolder(log.of(Started)[0].run_folder)
    file.unlink()
    again = make_config(TrainConfig, {}, folder.read_settings()["train"])
    log = Log()
    train(again, FakeHost(**about), log, resume=folder)
    end = log.of(Finished)[0]
    assert log.steps == list(range(8, 21))
    assert [path.name for path in (end.path, *end.further_paths)] == [
        "zz-thing.safetensors",
        "qq-ink.safetensors",
    ]
    assert [path.read_bytes() for path in (end.path, *end.further_paths)] == whole


def test_each_word_has_its_vectors_copies_notes_and_previews(
    configure: Configure, words: str, tmp_path: Path
) -> None:
    log = Log()
    prompts = "a picture of [name]\na table"
    config = both(
        configure,
        words,
        save_every_n_steps=5,
        sample_every_n_steps=10,
        sample_steps=2,
        sample_prompts=prompts,
    )
    path = train(config, FakeHost(), log)
    first, second = read_embedding(path), read_embedding(path.with_name("qq-ink.safetensors"))
    assert (first.count, second.count) == (2, 1)
    assert (first.step, second.step) == (10, 10)
    assert settings_of(second)["init_word"] == "drawing"
    assert settings_of(first)["expected_data"] != settings_of(second)["expected_data"]
    folder = RunFolder(log.of(Started)[0].run_folder)
    assert folder.path.name == "zz-thing-qq-ink"
    assert {each.name for each in (folder.path / "embeddings").iterdir()} == {
        f"{word}-0000{step}.safetensors" for word in ("zz-thing", "qq-ink") for step in ("05", "10")
    }
    shown = [each.prompt for each in log.of(PreviewReady) if each.step == 10]
    assert shown == ["a picture of zz-thing", "a picture of qq-ink", "a table"]
    for word, unlike in (("zz-thing", "qq-ink"), ("qq-ink", "zz-thing")):
        with Image.open(path.with_name(f"{word}.preview.png")) as image:
            told = image.info["parameters"]
        assert word in told
        assert unlike not in told
    copies = [each for each in log.of(Saved) if each.kind == "copy"]
    assert {key: len(found) for key, found in copies[-1].strength.items()} == {
        "zz-thing:clip_l": 2,
        "qq-ink:clip_l": 1,
    }


def test_a_prompt_with_both_words_teaches_both(
    configure: Configure, other: Path, pictures: Path
) -> None:
    for path in other.glob("*.png"):
        path.with_suffix(".txt").write_text("zz-thing as qq-ink")
    text = as_text(
        {"token_string": "zz-thing", "train_data_dir": str(pictures), "prompt_template": "subject"},
        {"token_string": "qq-ink", "train_data_dir": str(other)},
    )
    plan = make_plan(both(configure, text, train_batch_size=2, seed=3), FakeHost())
    with FakeHost().session("no") as session:
        batches = Batches(plan, encode_pictures(plan, session))
        found = [batch for step in range(12) for batch in batches.of_step(step)]
    assert {word for batch in found for word in batch.taught} == {"zz-thing", "qq-ink"}
    for batch in found:
        both_named = any(prompt == "zz-thing as qq-ink" for prompt in batch.prompts)
        assert not both_named or batch.taught == {"zz-thing", "qq-ink"}
    assert any("zz-thing as qq-ink" in batch.prompts for batch in found)


def test_a_word_that_is_seldom_shown_is_not_taken_for_a_dead_one(
    configure: Configure, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "rare").mkdir()
    Image.new("RGB", (64, 64), "navy").save(tmp_path / "rare" / "one.png")
    (tmp_path / "many" / "20_thing").mkdir(parents=True)
    for path in pictures.glob("*.png"):
        path.rename(tmp_path / "many" / "20_thing" / path.name)
    text = as_text(
        {"token_string": "zz-thing", "train_data_dir": str(tmp_path / "many")},
        {"token_string": "qq-ink", "train_data_dir": str(tmp_path / "rare")},
    )
    log = Log()
    train(both(configure, text, max_train_steps=40), FakeHost(), log)
    assert len(log.of(StepDone)) == 40


def test_words_are_written_as_toml_too(
    configure: Configure, words: str, pictures: Path, other: Path, tmp_path: Path
) -> None:
    toml = (
        f"[[words]]\ntoken_string = 'zz-thing'\ntrain_data_dir = '{pictures}'\n"
        "num_vectors_per_token = 2\nprompt_template = 'subject'\n"
        f"[[words]]\ntoken_string = 'qq-ink'\ninit_word = 'drawing'\ntrain_data_dir = '{other}'\n"
    )
    (tmp_path / "words.toml").write_text(toml)
    configs = [both(configure, text) for text in (toml, str(tmp_path / "words.toml"), words)]
    assert len({written_out(config) for config in configs}) == 1


def test_what_would_be_trained_on_is_shown_for_every_word(configure: Configure, words: str) -> None:
    shown = list(training_prompts(both(configure, words), FakeHost()))
    assert len(shown) == 8
    named = [name for each in shown for name in ("zz-thing", "qq-ink") if name in each.prompt]
    assert named == ["zz-thing"] * 5 + ["qq-ink"] * 3
    assert "<zz-thing:1>" in shown[0].tokens
    assert "<qq-ink:0>" in shown[-1].tokens


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no list": ('{"words": 3}', {}, "no list"),
    "no words": ('{"words": []}', {}, "0 words"),
    "not JSON": ("{", {}, "cannot be read"),
    "no file": ("nowhere.toml", {}, "cannot be read"),
    "no name": ('[{"train_data_dir": "x"}]', {}, "word 1: the embedding has no name"),
    "an unknown setting": ('[{"name": "a", "vector": 2}]', {}, "word 1 has the unknown"),
    "a setting of the run": ('[{"name": "a", "learning_rate": "1"}]', {}, "word 1 has the unknown"),
    "a bad value": ('[{"name": "a", "num_vectors": -1}]', {}, "word 1"),
    "a name twice": ('[{"name": "Ab"}, {"name": "aB"}]', {}, "two words are called"),
    "a file twice": (
        '[{"name": "a", "output_name": "c"}, {"name": "b", "output_name": "C"}]',
        {},
        "two words would be written",
    ),
    "a file to start from": ('[{"name": "a"}]', {"weights": "x.pt"}, "weights"),
    "one file name": ('[{"name": "a"}]', {"output_name": "x"}, "output_name"),
    "cards": ('[{"name": "a"}]', {"save_image_with_stored_embedding": True}, "stored_embedding"),
    "a comparison for one": ('[{"name": "a", "init_trial_steps": 8}]', {}, "init_trial_steps"),
    "held-out images": ('[{"name": "a"}]', {"validation_data_dir": "x"}, "validation_data_dir"),
}


def test_starts_are_compared_for_one_word_only(configure: Configure, words: str) -> None:
    """A preset asks for it, whatever is trained."""
    log = Log()
    train(both(configure, words, init_trial_steps=8), FakeHost(), log)
    notices = [str(notice) for notice in log.of(Notice)]
    assert "the two starts are not compared: that is done for one word only" in notices


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_is_rejected(configure: Configure, wrong: str) -> None:
    text, settings, told = WRONG[wrong]
    with pytest.raises(ConfigError, match=told):
        make_plan(both(configure, text, **settings), FakeHost())


def test_a_folder_of_a_word_that_is_missing_is_named(configure: Configure, words: str) -> None:
    text = words.replace("other", "elsewhere")
    with pytest.raises(DataError, match="elsewhere"):
        make_plan(both(configure, text), FakeHost())


def test_all_pictures_of_a_word_held_out_is_an_error(
    configure: Configure, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    Image.new("RGB", (64, 64), "navy").save(tmp_path / "one" / "one.png")
    text = as_text(
        {"token_string": "zz-thing", "train_data_dir": str(pictures)},
        {"token_string": "qq-ink", "train_data_dir": str(tmp_path / "one")},
    )
    settings = {"validation_split": 0.5, "validate_every_n_steps": 5}
    make_plan(both(configure, text, **settings, seed=2), FakeHost())
    with pytest.raises(DataError, match="no image of qq-ink is left"):
        make_plan(both(configure, text, **settings, seed=0), FakeHost())


def test_a_run_is_not_resumed_with_other_words(configure: Configure, words: str) -> None:
    log = Log()
    train(both(configure, words), FakeHost(), log, StopAfter(log, 3))
    folder = RunFolder(log.of(Started)[0].run_folder)
    changed = both(configure, words.replace("qq-ink", "vv-ink"))
    with pytest.raises(TIError):
        train(changed, FakeHost(), resume=folder)
    folder.write_settings({**folder.read_settings(), "train": {}})  # as if it could not be read
    with pytest.raises(TrainingError, match="other words"):
        train(changed, FakeHost(), resume=folder)


def test_settings_survive_being_written(configure: Configure, words: str) -> None:
    config = written_out(both(configure, words))
    assert make_config(TrainConfig, {}, json.loads(json.dumps(to_dict(config)))) == config
    assert [word.name for word in words_of(config)] == ["zz-thing", "qq-ink"]


def test_the_copies_of_each_word_are_a_run_to_compare(configure: Configure, words: str) -> None:
    log = Log()
    train(both(configure, words, save_every_n_steps=5), FakeHost(), log)
    folder = log.of(Started)[0].run_folder
    found = list_runs(folder.parent.parent)
    assert [run.name for run in found] == ["zz-thing", "qq-ink"]
    for run in found:
        assert [path.stem for path in run.copies] == [f"{run.name}-000005", f"{run.name}-000010"]
        assert config_of_word(folder, run.name).name == run.name
    assert len({run.label for run in found}) == 2
    with pytest.raises(ConfigError, match="has 2 words: zz-thing, qq-ink"):
        config_of_word(folder, "")


def test_a_command_line_is_told_before_the_model_is_opened(words: str) -> None:
    with pytest.raises(ConfigError, match="no list"):
        train_config({"words": '{"words": 3}'})
    assert train_config({"words": words}).name == "zz-thing-qq-ink"
    assert train_config({"words": words, "token_string": "both"}).name == "both"


def test_the_words_decide_how_many_vectors_each_has(
    configure: Configure, pictures: Path, other: Path
) -> None:
    """For 0; the settings of the run tell the numbers, so that it is resumed with them."""
    tables = as_text(
        {"name": "zz-thing", "train_data_dir": str(pictures), "init_word": "a red disc"},
        {"name": "qq-ink", "train_data_dir": str(other), "num_vectors": 2},
    )
    log = Log()
    config = both(configure, tables, num_vectors_per_token=0, max_train_steps=4)
    train(config, FakeHost(), log, StopAfter(log, 2))
    end = log.of(Finished)[0]
    counts = [read_embedding(path).count for path in (end.path, *end.further_paths)]
    assert counts == [3, 2]
    folder = RunFolder(log.of(Started)[0].run_folder)
    noted = make_config(TrainConfig, {}, folder.read_settings()["train"])
    assert [word.vectors for word in words_of(noted)] == [3, 2]
    train(config, FakeHost(), log, resume=folder)
    assert log.steps[-1] == 4


def test_a_word_starts_from_a_file(configure: Configure, other: Path, tmp_path: Path) -> None:
    """From its vectors, with its licence, at step 0; a resumed run does not need the file."""
    start, key = tmp_path / "start.safetensors", next(iter(FakeHost().describe().widths))
    vectors = {key: torch.full((3, FakeHost().describe().widths[key]), 0.02)}
    write_embedding(start, Embedding("old", vectors, 400, {LICENCE: "CC0"}))
    folder = str(other)
    words = as_text(
        {"token_string": "aa", "train_data_dir": folder, "weights": str(start)},
        {"token_string": "bb", "train_data_dir": folder, "num_vectors_per_token": 2},
    )
    config = both(configure, words, learning_rate="1e-12", max_train_steps=4, overwrite=True)
    first, second = map(read_embedding, finished_paths(train_events(config)))
    assert torch.equal(next(iter(first.vectors.values())), vectors[key])
    assert (first.count, first.step, first.metadata[LICENCE]) == (3, 4, "CC0")
    assert (second.count, second.step, LICENCE in second.metadata) == (2, 4, False)
    moved = replace(
        config, optimizer=replace(config.optimizer, learning_rate="0.01", max_train_steps=12)
    )
    whole = [path.read_bytes() for path in finished_paths(train_events(moved))]
    log = Log()
    train(moved, FakeHost(), log, StopAfter(log, 5))
    start.unlink()
    run = RunFolder(log.of(Started)[0].run_folder)
    again = train_events(moved, run)
    assert [path.read_bytes() for path in finished_paths(again)] == whole


def train_events(config: TrainConfig, resume: RunFolder | None = None) -> Log:
    log = Log()
    train(config, FakeHost(), log, resume=resume)
    return log


def finished_paths(log: Log) -> list[Path]:
    end = log.of(Finished)[0]
    return [end.path, *end.further_paths]
