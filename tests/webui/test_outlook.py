"""What a run will be like, before it begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ti_core.errors import HostError
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import EncoderFacts
from ti_core.train.config import TrainConfig
from ti_webui.markup import outlook
from ti_webui.outlook import outlook_of
from ti_webui.studio import Studio

Configure = Callable[..., TrainConfig]


class FullSize(FakeHost):
    """Says that it has the vectors of a full-size SD1 model."""

    def describe(self):  # type: ignore[no-untyped-def]
        """See FakeHost."""
        return replace(super().describe(), encoders=(EncoderFacts("clip_l", 768, 49408),))


def test_schedule_tokens_and_model_are_told(studio: Studio, configure: Configure) -> None:
    config = configure(learning_rate="0.1:10, 0.01", max_train_steps=40, num_vectors_per_token=5)
    told = outlook_of(studio, config)
    assert [(s.rate, s.start, s.until) for s in told.segments] == [(0.1, 0, 10), (0.01, 10, 40)]
    assert (told.vectors, told.capacity, told.model, told.trouble) == (5, 75, "fake", "")


def test_a_schedule_that_ends_early_is_told(studio: Studio, configure: Configure) -> None:
    told = outlook_of(studio, configure(learning_rate="0.1:10, 0.01:30", max_train_steps=40))
    assert told.max_steps == 30
    shown = outlook(told)
    assert "training ends at step 30, before step 40: “Embedding Learning rate” ends there" in shown
    assert "ti-warning" not in outlook(outlook_of(studio, configure(max_train_steps=40)))


def test_epochs_are_told_in_steps_before_the_run_begins(
    studio: Studio, configure: Configure, pictures: Path
) -> None:
    config = configure(max_train_epochs=4, train_batch_size=2, max_train_steps=900)
    told = outlook_of(studio, config)
    assert (told.max_steps, told.segments[-1].until, told.epochs) == (10, 10, 4)
    assert "4 epoch(s) = <b>10</b> steps" in outlook(told)
    assert "epoch" not in outlook(outlook_of(studio, configure(max_train_steps=40)))
    for path in pictures.iterdir():
        path.unlink()
    assert "no images" in outlook_of(studio, config).trouble


def test_pictures_outside_of_the_places_are_not_counted(
    studio: Studio, configure: Configure, tmp_path: Path
) -> None:
    studio.dataset_roots = lambda: (tmp_path / "elsewhere",)
    told = outlook_of(studio, configure(max_train_epochs=4))
    assert (told.max_steps, "may not be opened" in told.trouble) == (0, True)


def test_memory_grows_with_the_pictures_of_a_pass(studio: Studio, configure: Configure) -> None:
    host = FullSize()
    studio.host = lambda: host
    one, four = (
        outlook_of(studio, configure(train_batch_size=n, resolution=(512, 512))) for n in (1, 4)
    )
    assert 4e9 < one.memory < four.memory < 20e9
    assert "weights" in one.memory_formula


def test_a_small_model_has_no_estimate(studio: Studio, configure: Configure) -> None:
    assert outlook_of(studio, configure()).memory == 0


def test_a_missing_model_is_trouble_and_the_rest_is_told(
    studio: Studio, configure: Configure
) -> None:
    def missing() -> FakeHost:
        raise HostError("no model is loaded", "", "choose a checkpoint")

    studio.host = missing
    told = outlook_of(studio, configure(max_train_steps=40))
    assert told.trouble == "no model is loaded; choose a checkpoint"
    assert told.segments[-1].until == 40


def test_preview_prompts_that_cannot_be_read_are_trouble(
    studio: Studio, configure: Configure
) -> None:
    told = outlook_of(studio, configure(sample_prompts="a [name] --w wide", sample_every_n_steps=5))
    assert "preview prompt" in told.trouble
