"""A job in the web UI's own progress: what `/sdapi/v1/progress` reads while it works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ti_core.events import Event
from ti_core.train.events import PreviewReady, Saved, Started, StepDone
from ti_core.train.progress import JobProgress
from ti_webui.job import Job, Jobs

from .program import load, module

STARTED = Started("word", Path("run"), 0, 8, 5, "subject", "model", "2", {}, [(0, 8, 0.005)])


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Any]:
    load("sd1", tmp_path)
    shared = module("modules.shared")
    before, shared.state = shared.state, shared.State()
    yield shared.state
    shared.state = before


@pytest.fixture
def progress(state: Any) -> Any:
    """The module under test; it can be imported inside of a web UI only."""
    return module("ti_webui.webui_progress")


def run_of(progress: Any, *events: Event, look: Any = lambda: None) -> Job:
    """A job of these events, after each of which somebody looks."""

    def work(job: Job) -> None:
        for event in events:
            job.emit(event)
            look()

    job = Jobs().start("train", "word", work, show=progress.in_webui)
    assert job.wait(20)
    return job


def test_steps_text_and_picture_are_those_of_the_training(
    progress: Any, state: Any, tmp_path: Path
) -> None:
    picture = tmp_path / "word-000002.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    seen: list[tuple[Any, ...]] = []

    def look() -> None:
        shown = state.current_image and state.current_image.getpixel((0, 0))
        seen.append((state.job, state.job_no, state.job_count, shown))

    step = StepDone(2, 0, 1, 0.25, 0.005, 0.1, "a <b> & word")
    saved = Saved(2, Path("word-000002.safetensors"), "copy")
    events = (STARTED, step, saved, PreviewReady(2, picture, "a word"))
    run_of(progress, *events, look=look)
    job = "train-embedding"
    assert seen == [
        (job, 0, 8, None),
        (job, 2, 8, None),
        (job, 2, 8, None),
        (job, 2, 8, (255, 0, 0)),
    ]
    assert state.textinfo == (
        "<p>Loss: 0.2500000<br/>Step: 2<br/>Last prompt: a &lt;b&gt; &amp; word<br/>"
        "Last saved embedding: word-000002.safetensors<br/>Last saved image: word-000002.png</p>"
    )
    assert (state.begun, state.ended, state.job, state.job_count) == ([job], 1, "", 0)


def test_the_web_ui_s_interrupt_ends_the_job(progress: Any, state: Any) -> None:
    """The button on its pages, and POST /sdapi/v1/interrupt."""
    state.interrupted = True  # from before; begin() forgets it
    told: list[bool] = []

    def work(job: Job) -> None:
        job.emit(STARTED)
        told.append(job.control.finishing)
        state.interrupted = True
        job.emit(StepDone(1, 0, 0, 0.5, 0.005, 0.1))
        told.append(job.control.finishing)

    assert Jobs().start("train", "word", work, show=progress.in_webui).wait(20)
    assert told == [False, True]


def test_a_job_that_fails_leaves_the_state_free(progress: Any, state: Any) -> None:
    def work(job: Job) -> None:
        job.emit(STARTED)
        raise RuntimeError("broken")

    job = Jobs().start("compare", "word", work, show=progress.in_webui)
    assert job.wait(20)
    assert job.progress.state == "failed"
    assert (state.begun, state.ended, state.job) == (["compare"], 1, "")


def test_a_preview_that_is_gone_is_passed_over(progress: Any, state: Any) -> None:
    run_of(progress, STARTED, PreviewReady(0, Path("gone.png"), "a word"))
    assert (state.current_image, state.ended) == (None, 1)


def test_without_a_step_only_the_number_is_told(progress: Any) -> None:
    assert progress.textinfo(replace(JobProgress(), total=5)) == "<p>Step: 0</p>"
