"""A sweep that is started from Train's form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import ConfigError, HostBusyError
from ti_webui.markup import progress_html
from ti_webui.studio import Studio
from ti_webui.tabs.train_sweep import SweepPage

from ..conftest import finished


@pytest.fixture
def page(studio: Studio, settings: dict[str, Any], tmp_path: Path) -> SweepPage:
    return SweepPage(studio, lambda values: {**settings, "latent_cache_dir": str(tmp_path / "c")})


def test_each_combination_of_the_lines_is_trained(page: SweepPage, tmp_path: Path) -> None:
    page.press_start("learning_rate=0.005,0.001\n\n num_vectors_per_token=1,2 ")
    job = page.studio.jobs.latest_of("sweep")
    assert job
    progress = finished(job).progress
    assert progress.state == "done", progress.error
    assert len(list((tmp_path / "embeddings").glob("zz-thing-?.safetensors"))) == 4
    assert f"compared in {progress.result}" in progress_html(progress, job.name, job.kind)


@pytest.mark.parametrize("text", ["", " \n", "learning_rate", "no_such=1,2", "output_dir=a,b"])
def test_what_cannot_be_compared_is_an_error(page: SweepPage, text: str) -> None:
    with pytest.raises(ConfigError):
        page.press_start(text)
    assert page.studio.jobs.list() == []


def test_one_job_at_a_time(page: SweepPage) -> None:
    page.press_start("learning_rate=0.005,0.001")
    with pytest.raises(HostBusyError):
        page.press_start("learning_rate=0.005,0.001")
    job = page.studio.jobs.latest_of("sweep")
    assert job
    finished(job)
