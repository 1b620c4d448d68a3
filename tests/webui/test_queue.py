"""Trainings one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from ti_core.errors import ConfigError, HostBusyError, NotFoundError, TIError
from ti_core.train.config import TrainConfig
from ti_webui.api_orders import Orders
from ti_webui.forms import Form
from ti_webui.job import Job, Jobs
from ti_webui.kept_queue import FILE, keep_queue
from ti_webui.panel import build_panel
from ti_webui.studio import Studio
from ti_webui.tabs.train import TrainPage
from ti_webui.tabs.train_queue import QueuePage
from ti_webui.training import enqueue_training
from ti_webui.waiting import MOST_WAITING, Queue, Waiting

SECONDS = 60


class Works:
    """Jobs that end when they are let go, and the order in which they began."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.began: list[str] = []
        self.ends: dict[str, threading.Event] = {}

    def start(self, name: str, error: TIError | None = None) -> Job:
        end = self.ends[name] = threading.Event()

        def work(job: Job) -> None:
            end.wait(SECONDS)
            if error:
                raise error

        job = self.jobs.start("train", name, work)
        self.began.append(name)
        return job

    def enqueue(self, name: str, error: TIError | None = None) -> Waiting:
        waiting = Waiting(name, lambda: self.start(name, error))
        self.jobs.enqueue(waiting)
        return waiting

    def end(self, name: str, then: str = "") -> None:
        """Let it go, and wait until the next one runs."""
        job = self.jobs.running
        assert job
        self.ends[name].set()
        assert job.wait(SECONDS)
        until(lambda: (self.jobs.running.name if self.jobs.running else "") == then)
        until(lambda: then in ("", *self.began[-1:]))


def until(true: Callable[[], bool]) -> None:
    for _ in range(SECONDS * 100):
        if true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


@pytest.fixture
def works() -> Iterator[Works]:
    made = Works(Jobs())
    yield made
    for end in made.ends.values():
        end.set()


def test_each_begins_when_the_one_before_has_ended(works: Works) -> None:
    works.start("one")
    works.enqueue("two")
    works.enqueue("three")
    assert works.began == ["one"]
    works.end("one", then="two")
    works.end("two", then="three")
    works.end("three")
    assert works.began == ["one", "two", "three"]
    assert works.jobs.queue.list() == []


def test_what_is_added_while_nothing_runs_begins_at_once(works: Works) -> None:
    works.enqueue("one")
    assert works.began == ["one"]


def test_a_failure_or_an_interrupt_does_not_hold_the_others_up(works: Works) -> None:
    first = works.start("one", TIError("it went wrong"))
    works.enqueue("two")
    works.enqueue("three")
    works.end("one", then="two")
    assert first.progress.state == "failed"
    assert works.jobs.running
    works.jobs.running.control.ask("finish")
    works.end("two", then="three")


def test_one_that_cannot_begin_is_no_end_of_the_queue(works: Works) -> None:
    works.start("one")
    works.jobs.enqueue(Waiting("broken", lambda: 1 / 0))
    works.enqueue("three")
    works.end("one", then="three")


def test_nothing_begins_while_the_queue_is_stopped(works: Works) -> None:
    works.start("one")
    works.enqueue("two")
    works.jobs.queue.stopped = True
    works.end("one")
    assert works.began == ["one"]
    works.start("other")
    works.end("other")
    works.jobs.queue.stopped = False
    works.jobs.advance()
    assert works.began == ["one", "other", "two"]


def test_one_whose_turn_another_job_takes_stays_the_next(works: Works) -> None:
    taken: list[bool] = []

    def begin() -> Job:
        if not taken:
            taken.append(True)
            works.start("quick")
        return works.start("two")

    works.start("one")
    works.jobs.enqueue(Waiting("two", begin))
    works.enqueue("three")
    works.end("one", then="quick")
    until(lambda: [each.name for each in works.jobs.queue.list()] == ["two", "three"])
    works.end("quick", then="two")


def test_what_waits_is_moved_and_removed() -> None:
    queue = Queue()
    for name in "abc":
        queue.add(Waiting(name, lambda: None))
    a, b, c = queue.list()
    queue.move(c.id, -1)
    assert queue.list() == [a, c, b]
    queue.move(a.id, -5)
    queue.move(a.id, 9)
    assert queue.list() == [c, b, a]
    assert queue.remove(b.id) == b
    assert queue.take() == c
    for work in (queue.remove, lambda each: queue.move(each, 1)):
        with pytest.raises(NotFoundError, match="not in the queue"):
            work(b.id)


def test_the_queue_has_an_end() -> None:
    queue = Queue()
    for _ in range(MOST_WAITING):
        queue.add(Waiting("a", lambda: None))
    with pytest.raises(HostBusyError, match="in the queue already"):
        queue.add(Waiting("a", lambda: None))


# --- trainings --------------------------------------------------------------------------------


@pytest.fixture
def blocked(studio: Studio) -> Iterator[threading.Event]:
    """Another job runs until this is set."""
    end = threading.Event()

    def wait(job: Job) -> None:
        end.wait(SECONDS)

    studio.jobs.start("other", "busy", wait)
    yield end
    end.set()


def test_a_word_is_trained_twice_the_second_time_from_where_it_is(
    api: TestClient, studio: Studio, settings: dict[str, Any], blocked: threading.Event
) -> None:
    for steps in (2, 4):
        order = {"settings": {**settings, "max_train_steps": steps}}
        answer = api.post("/ti/v1/queue", json=order)
        assert answer.status_code == 202, answer.text
    assert [each["name"] for each in api.get("/ti/v1/queue").json()["waiting"]] == [
        settings["token_string"]
    ] * 2
    blocked.set()
    until(lambda: [each.progress.state for each in studio.jobs.list()] == ["done"] * 3)
    reached = [each.progress.step for each in studio.jobs.list()]
    assert reached[:2] == [4, 2]


def test_what_cannot_be_trained_is_an_error_at_once_or_a_failed_job(
    api: TestClient,
    studio: Studio,
    settings: dict[str, Any],
    blocked: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = {"settings": {**settings, "learning_rate": "fast"}}
    assert api.post("/ti/v1/queue", json=bad).status_code == 422
    assert api.post("/ti/v1/queue", json={"settings": settings}).status_code == 202

    def cannot(*some: object) -> None:
        raise ConfigError("the folder has gone")

    monkeypatch.setattr("ti_webui.training.start_training", cannot)
    blocked.set()
    until(lambda: len(studio.jobs.list()) == 2 and studio.jobs.running is None)
    failed = studio.jobs.list()[0]
    assert (failed.kind, failed.name) == ("train", settings["token_string"])
    assert (failed.progress.state, failed.progress.error) == ("failed", "the folder has gone")


def test_the_queue_is_changed_over_the_api(
    api: TestClient, studio: Studio, settings: dict[str, Any], blocked: threading.Event
) -> None:
    ids = []
    for name in ("zz-a", "zz-b"):
        order = {"settings": {**settings, "token_string": name}}
        ids.append(api.post("/ti/v1/queue", json=order).json()["id"])
    told = api.post("/ti/v1/queue/change", json={"id": ids[1], "places": -1}).json()
    assert [each["name"] for each in told["waiting"]] == ["zz-b", "zz-a"]
    assert api.post("/ti/v1/queue/change", json={"stopped": True}).json()["stopped"]
    told = api.delete(f"/ti/v1/queue/{ids[1]}").json()
    assert told == {"stopped": True, "waiting": [{"id": ids[0], "name": "zz-a"}]}
    assert api.delete(f"/ti/v1/queue/{ids[1]}").status_code == 404
    assert api.post("/ti/v1/queue/change", json={"id": ids[0], "places": "x"}).status_code == 422
    assert api.delete(f"/ti/v1/queue/{ids[0]}").json()["waiting"] == []
    assert not api.post("/ti/v1/queue/change", json={"stopped": False}).json()["stopped"]


# --- a restart --------------------------------------------------------------------------------


def restarted(studio: Studio) -> Studio:
    """The same program, started again."""
    again = replace(studio, jobs=Jobs())
    keep_queue(again)
    return again


def test_what_waits_is_there_after_a_restart_and_begins_when_continued(
    studio: Studio, settings: dict[str, Any]
) -> None:
    keep_queue(studio)
    studio.jobs.queue.stopped = True
    for name in ("zz-a", "zz-b", "zz-c"):
        body = {"settings": {**settings, "token_string": name}}
        enqueue_training(studio, partial(Orders(studio).order, body), body)
    studio.jobs.queue.move(studio.jobs.queue.list()[2].id, -1)
    studio.jobs.queue.remove(studio.jobs.queue.list()[0].id)
    again = restarted(studio)
    assert [each.name for each in again.jobs.queue.list()] == ["zz-c", "zz-b"]
    assert again.jobs.queue.stopped
    again.jobs.queue.stopped = False
    again.jobs.advance()
    until(lambda: len(again.jobs.list()) == 2 and again.jobs.running is None)
    assert [job.name for job in again.jobs.list()] == ["zz-b", "zz-c"]
    assert [job.progress.step for job in again.jobs.list()] == [6, 6]
    assert restarted(again).jobs.queue.list() == []


def test_what_waits_for_the_page_is_kept_with_its_settings(
    studio: Studio, settings: dict[str, Any]
) -> None:
    build_panel(studio)
    studio.jobs.queue.stopped = True
    form: Form[TrainConfig] = Form(TrainConfig, "ti_train", settings)
    with gr.Blocks():
        for name in settings:
            form.add(name)
    page = TrainPage(studio, form)
    page.press_add(*(settings[name] for name in form.components))
    [waiting] = restarted(studio).jobs.queue.list()
    assert waiting.name == "zz-thing"
    assert waiting.body["settings"]["max_train_steps"] == 6  # type: ignore[index]


@pytest.mark.parametrize("text", ["{", "[1, {}, null]", '{"a": 1}', '[{"name": "x", "body": 3}]'])
def test_a_damaged_queue_is_an_empty_one(studio: Studio, text: str) -> None:
    path = Path(studio.settings().logging_dir) / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert restarted(studio).jobs.queue.list() == []


# --- the page ---------------------------------------------------------------------------------


def test_a_page_shows_what_waits_and_changes_it(studio: Studio) -> None:
    page = QueuePage(studio)
    seen, listed, *_ = page.look(None)
    assert not listed["visible"]
    assert page.look(seen)[1:] == [page.look(seen)[1]] * 6
    studio.jobs.queue.stopped = True
    for name in ("<b>one", "two"):
        studio.jobs.enqueue(Waiting(name, lambda: None))
    _, listed, chosen, *buttons = page.look(seen)
    assert "1. &lt;b&gt;one" in listed["value"]
    assert "the queue is stopped" in listed["value"]
    assert chosen["choices"] == ["1. <b>one", "2. two"]
    assert [each["visible"] for each in buttons] == [True, True, False, True]
    _, _, chosen, *_ = page.press_up("2. two")
    assert chosen["choices"] == ["1. two", "2. <b>one"]
    page.press_remove("1. two")
    with pytest.raises(NotFoundError):
        page.press_remove("1. two gone")
    began: list[str] = []
    studio.jobs.enqueue(Waiting("last", lambda: began.append("last")))
    page.press_go_on()
    assert began == ["last"]
    assert page.press_stop()[1]["visible"]
