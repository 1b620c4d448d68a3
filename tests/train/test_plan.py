"""Everything that is checked before the model is claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.errors import (
    ConfigError,
    DataError,
    EmbeddingError,
    ScheduleError,
    StorageError,
    TIError,
)
from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import Features, Precision
from ti_core.train.dry_run import training_prompts
from ti_core.train.loop import train
from ti_core.train.plan import make_plan, name_clashes
from ti_core.train.preflight import checkup_input

from ..conftest import Configure


def files_under(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def bad_weights(folder: Path) -> dict[str, Any]:
    write_embedding(folder / "w.safetensors", Embedding("w", {"emb_params": torch.ones(1, 768)}))
    return {"weights": str(folder / "w.safetensors")}


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"learning_rate": "0.005:5:5"}, ScheduleError, "is not a rate"),
        ({"prompt_template": "captions"}, DataError, "does not hold 'zz-thing'"),
        ({"prompt_template": "no-such"}, DataError, "no-such"),
        ({"train_data_dir": "/nowhere"}, DataError, "no folder /nowhere"),
        ({"weights": "/nowhere.pt"}, EmbeddingError, "there is no embedding"),
        (
            {"sample_every_n_steps": 1, "sample_sampler": "Euler z"},
            ConfigError,
            "choose one of Euler, Euler a",
        ),
        ({"sample_every_n_steps": 1, "sample_prompts": "a --x"}, ConfigError, "preview prompt"),
        ({"output_dir": "/proc/nothing"}, StorageError, "cannot write"),
        ({"logging_dir": "/proc/nothing"}, StorageError, "cannot write"),
        ({"output_dir": "/dev/null/x"}, StorageError, "cannot write"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    configure: Configure, tmp_path: Path, changes: dict[str, Any], kind: type[TIError], text: str
) -> None:
    before = files_under(tmp_path)
    with pytest.raises(kind, match=text):
        train(configure(**changes), FakeHost())
    assert files_under(tmp_path) == before


def test_weights_for_another_model_name_both_widths(configure: Configure, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"768 wide.*12 wide"):
        make_plan(configure(**bad_weights(tmp_path)), FakeHost())


def test_an_embedding_of_that_name_is_not_replaced_unasked(
    configure: Configure, tmp_path: Path
) -> None:
    path = tmp_path / "embeddings" / "zz-thing.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"precious")
    with pytest.raises(ConfigError, match="exists already"):
        make_plan(configure(), FakeHost())
    make_plan(configure(overwrite=True), FakeHost())
    assert path.read_bytes() == b"precious"


def test_a_name_that_is_a_word_is_warned_about(configure: Configure) -> None:
    for name, level in (("cat", ["warning"]), ("zz-thing", [])):
        plan = make_plan(configure(token_string=name), FakeHost())
        assert [notice.level for notice in plan.notices] == level


def test_skipped_pictures_are_told(configure: Configure, pictures: Path) -> None:
    (pictures / "broken.png").touch()
    plan = make_plan(configure(), FakeHost())
    assert [notice.what for notice in plan.notices] == ["broken.png is skipped"]


def test_the_rate_is_the_schedule_times_warm_up_and_decay(configure: Configure) -> None:
    options = {"learning_rate": "1:6, 0.5", "lr_scheduler": "linear", "lr_warmup_steps": 2}
    plan = make_plan(configure(**options), FakeHost())
    expected = [1 / 3, 2 / 3, 1.0, 7 / 8, 6 / 8, 5 / 8, 0.5 * 4 / 8, 0.5 * 3 / 8]
    assert [plan.config.optimizer.rate(step) for step in range(8)] == pytest.approx(expected)


def test_previews_are_checked_even_when_none_is_planned_as_one_may_be_asked_for(
    configure: Configure,
) -> None:
    config = configure(sample_every_n_steps=0, sample_prompts="a --x")
    with pytest.raises(ConfigError, match="preview prompt"):
        make_plan(config, FakeHost())


def test_mistyped_names_in_preview_prompts_are_told(configure: Configure) -> None:
    config = configure(
        token_string="zz-thing", sample_prompts="a [name] --n zz-thign\na zz-thing and zz-other"
    )
    notices = make_plan(config, FakeHost(), taken=["zz-thing", "zz-other"]).notices
    told = [str(notice) for notice in notices]
    assert any("zz-thign" in text and "did you mean zz-thing?" in text for text in told)
    assert any("zz-other is not used: previews know only" in text for text in told)
    right = make_plan(configure(sample_prompts="a [name], a red house"), FakeHost()).notices
    assert not any("is not used" in str(notice) or "mean" in str(notice) for notice in right)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tree", "'tree' is already a word of the model (tokens: "),
        ("photo of", "'photo of' is a phrase of words that the model knows: photo, of (tokens: "),
        ("red circle", "red, circle"),
        ("red-circle", ""),
        ("zz-thing", ""),
        ("unfathomable thing", ""),
    ],
)
def test_a_name_that_hides_words_of_the_model_is_told(name: str, told: str) -> None:
    found = name_clashes(name, FakeHost())
    assert [told in notice.what for notice in found] == ([True] if told else [])


def test_the_number_of_vectors_can_come_from_the_words(configure: Configure) -> None:
    config = configure(init_word="a small red disc", num_vectors_per_token=0)
    plan = make_plan(config, FakeHost())
    assert plan.config.vectors == 4
    assert checkup_input(config, FakeHost()).vectors == 4
    shown = next(training_prompts(config, FakeHost()))
    assert sum("zz-thing:" in token for token in shown.tokens) == 4


@pytest.mark.parametrize(
    ("packs", "precision", "told"),
    [
        (("no",), "bf16", True),
        (("no",), "no", False),
        (("no", "bf16"), "bf16", False),
        ((), "bf16", False),
    ],
)
def test_bf16_is_warned_of_where_the_processor_has_no_instructions_for_it(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    packs: tuple[Precision, ...],
    precision: str,
    told: bool,
) -> None:
    monkeypatch.setattr(FakeHost, "features", lambda _: Features(packs=packs))
    plan = make_plan(configure(mixed_precision=precision), FakeHost())
    assert any("bf16 is slow" in notice.what for notice in plan.notices) == told
