"""Jobs: one at a time, seen by everybody, ended by nobody's browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ti_core.errors import DataError, HostBusyError, HostError
from ti_core.events import Notice
from ti_webui import job as module
from ti_webui.job import Job, Jobs

from .conftest import finished


def until(free: threading.Event) -> Callable[[Job], None]:
    """Work that ends when told to."""

    def work(job: Job) -> None:
        free.wait(30)

    return work


def test_a_job_works_in_a_thread_and_keeps_its_result() -> None:
    threads = []

    def work(job: Job) -> Path:
        threads.append(threading.current_thread())
        return Path("word.safetensors")

    job = finished(Jobs().start("train", "word", work))
    assert threads != [threading.current_thread()]
    assert (job.progress.state, job.progress.result) == ("done", Path("word.safetensors"))
    assert job.progress.ended >= job.progress.began > 0


def test_there_is_one_job_at_a_time_and_the_refusal_names_the_other() -> None:
    jobs, free = Jobs(), threading.Event()
    first = jobs.start("train", "first", until(free))
    with pytest.raises(HostBusyError, match="first is already running"):
        jobs.start("train", "second", lambda job: None)
    assert jobs.running is first
    free.set()
    finished(first)
    assert jobs.running is None
    assert finished(jobs.start("train", "second", lambda job: None)).progress.state == "done"


def test_a_hundred_starts_at_once_begin_one_job() -> None:
    jobs, free, begun = Jobs(), threading.Event(), []

    def start() -> None:
        try:
            begun.append(jobs.start("train", "word", until(free)))
        except HostError:
            return

    threads = [threading.Thread(target=start) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    free.set()
    assert len(begun) == 1
    finished(begun[0])


def test_an_error_for_users_is_kept_as_it_is_said() -> None:
    def work(job: Job) -> None:
        raise DataError("no image", "the folder is empty", "put some there")

    job = finished(Jobs().start("train", "word", work))
    assert job.progress.state == "failed"
    assert job.progress.error == "no image: the folder is empty; put some there"
    assert isinstance(job.failure, DataError)


def test_an_error_that_nobody_foresaw_is_seen_as_well(caplog: pytest.LogCaptureFixture) -> None:
    def work(job: Job) -> None:
        raise ZeroDivisionError("by zero")

    job = finished(Jobs().start("train", "word", work))
    assert job.progress.state == "failed"
    assert "ZeroDivisionError: by zero" in job.progress.error
    assert "Traceback" in caplog.text


def test_the_model_is_claimed_while_a_job_works_and_free_after_it() -> None:
    held = []

    @contextmanager
    def claim() -> Iterator[None]:
        held.append("claimed")
        yield
        held.append("free")

    def work(job: Job) -> None:
        held.append("work")

    finished(Jobs().start("train", "word", work, claim))
    assert held == ["claimed", "work", "free"]


def test_a_job_waits_while_pictures_are_made_and_can_be_given_up_then() -> None:
    lock, worked = threading.Lock(), []

    def work(job: Job) -> None:
        worked.append(job)

    with lock:
        job = Jobs().start("train", "word", work, lambda: lock)
        assert not job.wait(0.1)
        assert job.progress.state == "waiting"
        job.control.finish()
    finished(job)
    assert (job.progress.state, worked) == ("stopped", [])


def test_a_claim_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def claim() -> None:
        raise RuntimeError("the queue is broken")

    job = finished(Jobs().start("train", "word", lambda job: None, claim))  # type: ignore[arg-type]
    assert job.progress.state == "failed"
    assert "the queue is broken" in job.progress.error


def test_work_is_done_where_the_program_wants_it() -> None:
    """Forge has one thread for everything that touches the model."""
    places = []

    def run(work: object) -> None:
        places.append("there")
        work()  # type: ignore[operator]

    finished(Jobs().start("train", "word", lambda job: places.append("work"), run=run))
    assert places == ["there", "work"]


def test_events_are_numbered_and_asked_for_from_any_number_on() -> None:
    job = Job("train", "word")
    notices = [Notice("info", str(i)) for i in range(5)]
    for notice in notices:
        job.emit(notice)
    assert job.events() == (notices, 5)
    assert job.events(3) == (notices[3:], 5)
    assert job.events(5) == ([], 5)
    assert job.events(99) == ([], 5)


def test_a_long_job_forgets_its_first_events_and_keeps_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 10)
    job = Job("train", "word")
    for i in range(25):
        job.emit(Notice("info", str(i)))
    events, number = job.events(20)
    assert ([event.what for event in events], number) == (["20", "21", "22", "23", "24"], 25)  # type: ignore[attr-defined]
    assert len(job.events(0)[0]) == 10


def test_finished_jobs_are_found_by_their_numbers() -> None:
    jobs = Jobs()
    first = finished(jobs.start("create", "first", lambda job: None))
    second = finished(jobs.start("train", "second", lambda job: None))
    assert jobs.list() == [second, first]
    assert jobs.latest is second
    assert jobs.latest_of("create") is first
    assert jobs.latest_of("compare") is None
    assert jobs.find(first.id) is first
    assert jobs.find("no such number") is None
    assert first.id != second.id
