"""A panel's surroundings with the fake host, and ways to wait for its jobs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ti_core.hosts.fake import FakeHost
from ti_webui.api import router
from ti_webui.job import Job, Jobs
from ti_webui.studio import Settings, Studio


@pytest.fixture(autouse=True, scope="session")
def _close_loops() -> Iterator[None]:
    """gradio opens an event loop for every page that is built, and never closes it."""
    made: list[asyncio.AbstractEventLoop] = []
    original = asyncio.new_event_loop

    def new() -> asyncio.AbstractEventLoop:
        made.append(original())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", new)
        yield
    asyncio.set_event_loop(None)
    for loop in made:
        loop.close()


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """Its embeddings lie in `tmp_path/embeddings`."""
    (tmp_path / "embeddings").mkdir()
    return FakeHost(tmp_path / "embeddings")


@pytest.fixture
def studio(tmp_path: Path, host: FakeHost) -> Iterator[Studio]:
    """Everything on `tmp_path`; a job that is left over is ended."""
    settings = Settings(logging_dir=str(tmp_path / "log"))
    made = Studio(
        host=lambda: host,
        embeddings_dirs=lambda: [tmp_path / "embeddings"],
        settings=lambda: settings,
        jobs=Jobs(),
    )
    yield made
    if made.jobs.running:
        made.jobs.running.control.finish()
        assert made.jobs.running is None or made.jobs.running.wait(30)


@pytest.fixture
def settings(tmp_path: Path, pictures: Path) -> dict[str, Any]:
    """What somebody types into a form for a run of six steps."""
    return {
        "token_string": "zz-thing",
        "init_word": "tree",
        "train_data_dir": str(pictures),
        "logging_dir": str(tmp_path / "log"),
        "max_train_steps": 6,
        "sample_every_n_steps": 3,
        "save_every_n_steps": 0,
        "skip_checkup": True,  # drawn pictures are not what people train on
    }


def held(over: threading.Event) -> None:
    """The work of a job that ends when it is told so."""
    assert over.wait(300)


def finished(job: Job) -> Job:
    """The job, when it is over."""
    assert job.wait(300), "the job does not end"
    return job


Finished = Callable[[Job], Job]


@pytest.fixture
def api(studio: Studio) -> Iterator[TestClient]:
    """`/ti/v1` of the studio, as programs ask it."""
    app = FastAPI()
    app.include_router(router(studio))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
