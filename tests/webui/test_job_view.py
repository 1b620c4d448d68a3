"""One kind of job on a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import pytest

from ti_core.errors import ConfigError, HostBusyError, HostError
from ti_webui.asking import ask, known_lengths, usual_lengths
from ti_webui.job import Job
from ti_webui.job_view import JobView, errors_first
from ti_webui.studio import Studio

from .test_job import until


@pytest.fixture
def view(studio: Studio) -> JobView:
    view = JobView(studio, "preprocess", gr.HTML(), gr.Button(), more=[gr.HTML()])
    return replace(view, show=lambda job, progress: [job.name])


def _changed(update: Any) -> bool:
    return "value" in update or "interactive" in update


def test_a_running_job_is_shown_and_then_only_what_is_new(view: JobView, studio: Studio) -> None:
    go, begun = Event(), Event()

    def work(job: Job) -> Path | None:
        job.change(stage="<b>at work</b>", step=1, total=2)
        begun.set()
        assert go.wait(30)
        return None

    job = studio.jobs.start("preprocess", "photos", work)
    assert begun.wait(30)
    seen, progress, interrupt, more = view.look(None)
    assert "&lt;b&gt;at work&lt;/b&gt;" in progress["value"]
    assert interrupt["interactive"] is True
    assert more == "photos"
    again = view.look(seen)
    assert again[0] == seen
    assert not any(_changed(update) for update in again[1:])
    go.set()
    assert job.wait(30)
    assert "finished" in view.look(seen)[1]["value"]


def test_jobs_of_another_kind_are_not_shown(view: JobView, studio: Studio) -> None:
    studio.jobs.start("train", "x", lambda job: None).wait(30)
    seen, *updates = view.look(None)
    assert not any(_changed(update) for update in updates)
    assert view.look(seen)[0] == seen


def test_lists_are_renewed_when_a_page_is_opened_and_when_any_job_begins_or_ends(
    view: JobView, studio: Studio
) -> None:
    view.lists, view.renew = [gr.Dropdown()], lambda opened: [gr.update(choices=[str(opened)])]
    seen, *updates = view.look(None)
    assert updates[-1]["choices"] == ["True"]
    assert "choices" not in view.look(seen)[-1]
    go = Event()

    def work(job: Job) -> None:
        assert go.wait(30)

    job = studio.jobs.start("train", "x", work)
    seen, *updates = view.look(seen)
    assert updates[-1]["choices"] == ["False"]
    assert "choices" not in view.look(seen)[-1]
    go.set()
    assert job.wait(30)
    assert view.look(seen)[-1]["choices"] == ["False"]


def test_interrupt_ends_the_job_and_says_when_there_is_none(view: JobView, studio: Studio) -> None:
    with pytest.raises(HostError, match="nothing is running"):
        view.press_interrupt()

    def work(job: Job) -> Path | None:
        while not job.control.finishing:
            job.control.wait()
        return None

    job = studio.jobs.start("preprocess", "x", work)
    assert "ends after the current image" in view.press_interrupt()
    assert job.wait(30)
    assert job.progress.state == "stopped"


def test_errors_go_into_the_first_output_and_the_others_stay() -> None:
    def press(text: str) -> list[Any]:
        if not text:
            raise ConfigError("<b>nothing</b>")
        return [text, "second"]

    shown = errors_first(press, 2)
    assert shown("a") == ["a", "second"]
    said, other = shown("")
    assert "&lt;b&gt;nothing" in said
    assert not _changed(other)


# --- questions --------------------------------------------------------------------------------


def test_a_question_is_answered_where_jobs_work(studio: Studio) -> None:
    found = ask(
        studio, "words", lambda host, session: session.token_embeddings_of("cat")["clip_l"].shape
    )
    assert tuple(found) == (1, 12)
    with studio.host().session():
        pass  # it was closed


def test_what_a_question_raises_reaches_the_page(studio: Studio) -> None:
    def bad(host: Any, session: Any) -> None:
        raise ConfigError("no")

    def worse(host: Any, session: Any) -> None:
        raise ZeroDivisionError("oh")

    with pytest.raises(ConfigError, match="no"):
        ask(studio, "x", bad)
    with pytest.raises(HostError, match="oh"):
        ask(studio, "x", worse)


def test_a_question_waits_for_no_other_job(studio: Studio) -> None:
    go = Event()
    job = studio.jobs.start("train", "long", until(go))
    with pytest.raises(HostBusyError, match="long is already running"):
        ask(studio, "x", lambda host, session: 1)
    go.set()
    assert job.wait(30)


def test_the_usual_lengths_are_reckoned_once(studio: Studio) -> None:
    assert known_lengths(studio) == {}
    found = ask(studio, "x", lambda host, session: usual_lengths(studio, host, session))
    assert known_lengths(studio) == found
    assert set(found) == {"clip_l"}
