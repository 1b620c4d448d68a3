"""What events add up to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from ti_core.data.preprocess import events as preprocessing
from ti_core.events import Notice
from ti_core.train.events import (
    Encoding,
    EndChanged,
    Finished,
    Paused,
    Previewing,
    PreviewReady,
    Resumed,
    Saved,
    Started,
    StepDone,
    Validated,
)
from ti_core.train.progress import (
    OUTCOMES,
    JobProgress,
    Outcome,
    after,
    duration_text,
    last_texts,
    step_text,
    validation_text,
)
from ti_core.train.validations import Found

STARTED = Started("word", Path("run"), 0, 100, 5, "subject", "model", "2", {}, [(0, 100, 0.005)])


def stepped(progress: JobProgress, first: int, last: int, seconds: float = 2.0) -> JobProgress:
    for step in range(first, last + 1):
        progress = after(progress, StepDone(step, 0, step, 1.0 / step, 0.005, seconds))
    return progress


def test_progress_and_the_time_that_is_left() -> None:
    progress = after(JobProgress(), STARTED)
    assert progress.seconds_left is None
    progress = stepped(progress, 1, 25)
    assert (progress.step, progress.total, progress.share) == (25, 100, 0.25)
    assert progress.seconds_left == 150.0
    assert progress.losses[-1] == (25, 0.04, 0.005)


def test_the_loss_is_a_running_mean_and_none_where_it_is_no_number() -> None:
    progress = after(JobProgress(), STARTED)
    assert progress.loss is None
    for step, loss in ((1, 1.0), (2, 2.0)):
        progress = after(progress, StepDone(step, 0, step, loss, 0.005, 0.1))
    assert progress.loss == pytest.approx(0.98 * 1.0 + 0.02 * 2.0)
    broken = after(progress, StepDone(3, 0, 3, math.nan, 0.005, 0.1))
    assert broken.loss is None
    assert after(broken, StepDone(4, 0, 4, 3.0, 0.005, 0.1)).loss == 3.0


def test_validations_are_kept_and_made_again_ones_replaced() -> None:
    progress = after(JobProgress(), STARTED)
    assert validation_text(progress) == ""
    for event in (Validated(0, 0.5), Validated(10, 0.3), Validated(20, 0.4), Validated(10, 0.2)):
        progress = after(progress, event)
    assert progress.validations == (Found(0, 0.5), Found(10, 0.2))
    assert validation_text(progress) == "0.2000 (best 0.2000 at step 10)"
    held_out = after(progress, Validated(20, 0.1, 0.9, is_best=False))
    assert validation_text(held_out).startswith("0.9000 (best ")


def test_a_run_that_will_end_early_counts_to_its_end() -> None:
    progress = stepped(after(JobProgress(), STARTED), 1, 25)
    early = after(progress, EndChanged(25, 50))
    assert (early.total, early.share) == (50, 0.5)
    assert progress.seconds_left
    assert early.seconds_left == pytest.approx(progress.seconds_left * 25 / 75)


def test_every_surface_says_it_in_the_same_words() -> None:
    progress = stepped(after(JobProgress(), STARTED), 1, 25)
    text = "step 25 of 100, loss 0.6565, rate 0.005, Epoch 0: 26, about 2 min 30 s left"
    assert step_text(progress) == text
    assert set(OUTCOMES) == set(get_args(Outcome))


def test_epoch_prompt_copy_and_picture_are_told_as_a1111_tells_them() -> None:
    progress = after(JobProgress(), replace(STARTED, steps_per_epoch=5))
    assert last_texts(progress) == []
    for event in (
        StepDone(9, 1, 3, 0.5, 0.005, 0.1, "a photo of word"),
        Saved(9, Path("run/word-000009.safetensors"), "copy"),
        Saved(9, Path("run/state"), "state"),
        PreviewReady(9, Path("run/word-000009.png"), "word"),
    ):
        progress = after(progress, event)
    assert (progress.epoch, progress.last_loss) == ("Epoch 1: 4/5", 0.5)
    assert last_texts(progress) == [
        ("Last prompt", "a photo of word"),
        ("Last saved embedding", "word-000009.safetensors"),
        ("Last saved image", "word-000009.png"),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "0.012 s"),
        (9.5, "9.5 s"),
        (12.4, "12 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 05 min"),
        (math.nan, "?"),
        (-1, "?"),
    ],
)
def test_times_are_spelled_for_people(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_the_time_per_step_follows_a_change_of_speed() -> None:
    progress = stepped(stepped(after(JobProgress(), STARTED), 1, 20, 1.0), 21, 80, 3.0)
    assert 2.9 < progress.seconds_per_step <= 3.0


def test_a_pause_is_a_state_and_ends() -> None:
    paused = after(after(JobProgress(), STARTED), Paused(3))
    assert paused.state == "paused"
    assert not paused.over
    assert after(paused, Resumed(3)).state == "running"


def test_encoding_is_a_stage_until_the_first_step() -> None:
    encoding = after(after(JobProgress(), STARTED), Encoding(300, 10_000))
    assert encoding.stage == "encoding images: 300 of 10000"
    assert stepped(encoding, 1, 1).stage == "training"


def test_encoding_tells_how_long_it_will_take() -> None:
    progress = JobProgress()
    for done, at in ((1000, 100.0), (1100, 110.0)):
        progress = after(progress, Encoding(done, 10_000, at))
    assert progress.stage == "encoding images: 1100 of 10000, about 14 min 50 s left"
    slower = after(progress, Encoding(1110, 10_000, 120.0))  # a second each, of 0.1 before
    assert slower.encoding is not None
    assert slower.encoding.seconds_each == pytest.approx(0.19)


def test_another_encoding_starts_with_a_pace_of_its_own() -> None:
    progress = JobProgress()
    for done, at in ((4, 0.0), (5, 100.0), (3, 200.0)):
        progress = after(progress, Encoding(done, 5, at))
    assert progress.stage == "encoding images: 3 of 5"


def test_drawing_is_a_stage_that_takes_the_place_of_encoding() -> None:
    encoding = after(after(JobProgress(), STARTED), Encoding(4, 5))
    drawing = after(encoding, Previewing(0, 1, 2))
    assert drawing.stage == "drawing previews: 1 of 2"
    assert after(drawing, PreviewReady(0, Path("0.png"), "a word")).stage == "training"


def test_pictures_notices_and_the_result_are_collected() -> None:
    progress = after(JobProgress(), STARTED)
    for event in (
        PreviewReady(0, Path("0.png"), "a word"),
        Notice("warning", "odd"),
        Saved(10, Path("state"), "state"),
        Finished(10, Path("word.safetensors"), Path("run"), "stopped", 1.0, {}),
    ):
        progress = after(progress, event)
    assert [(p.path, p.step, p.prompt) for p in progress.previews] == [(Path("0.png"), 0, "a word")]
    assert [notice.what for notice in progress.notices] == ["odd"]
    assert (progress.result, progress.run_folder) == (Path("word.safetensors"), Path("run"))


def test_a_long_curve_stays_small_and_keeps_its_ends() -> None:
    progress = stepped(after(JobProgress(), STARTED), 1, 9000)
    assert len(progress.losses) < 2000
    steps = [step for step, _, _ in progress.losses]
    assert (steps[0], steps[-1]) == (1, 9000)
    assert steps == sorted(set(steps))


def test_steps_that_are_made_again_replace_those_before() -> None:
    """After a loss that is not a number, a run goes back to its last state."""
    progress = stepped(stepped(after(JobProgress(), STARTED), 1, 10), 6, 7)
    assert [step for step, _, _ in progress.losses] == [1, 2, 3, 4, 5, 6, 7]


def test_preprocessing_is_counted_too() -> None:
    progress = after(JobProgress(), preprocessing.Started(Path("from"), Path("to"), 4))
    progress = after(progress, preprocessing.PictureDone(0, Path("a.png"), (), ("it is small",)))
    progress = after(progress, preprocessing.Skipped(1, Path("b.txt"), "no image"))
    assert (progress.step, progress.total) == (2, 4)
    assert [str(n) for n in progress.notices] == [
        "a.png: it is small",
        "b.txt is skipped: no image",
    ]
