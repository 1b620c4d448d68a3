"""What the buttons of Hypernetwork do, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from ti_core.errors import ConfigError, HostBusyError, TrainingError
from ti_core.hosts.fake import FakeHost
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.options import leaves
from ti_core.port.session import Features
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_webui.hypernetworks import SETTLED
from ti_webui.job import Job
from ti_webui.job_view import JobView
from ti_webui.studio import Studio
from ti_webui.tabs.hypernetwork import HypernetworkPage, build

from ..conftest import finished


@pytest.fixture
def page(studio: Studio) -> HypernetworkPage:
    with gr.Blocks():
        return build(studio)


@pytest.fixture
def typed(tmp_path: Path, pictures: Path) -> dict[str, Any]:
    """What somebody writes into the form."""
    return {
        "hypernetwork_name": "warm",
        "train_data_dir": str(pictures),
        "logging_dir": str(tmp_path / "log"),
        "max_train_steps": 4,
        "sample_every_n_steps": 4,
        "save_every_n_steps": 0,
        "skip_checkup": True,
        "layer_structure": "1, 1, 1",
    }


def values(page: HypernetworkPage, typed: dict[str, Any]) -> list[Any]:
    """Of the whole form; what is not typed is as the page shows it."""
    return [typed.get(name, each.value) for name, each in page.form.components.items()]


def latest(page: HypernetworkPage) -> Job:
    job = page.studio.jobs.latest_of("hypernetwork")
    assert job is not None
    return finished(job)


def test_every_setting_but_those_that_are_settled_is_on_the_page(page: HypernetworkPage) -> None:
    names = {path[-1] for path, _ in leaves(HypernetworkTrainConfig)}
    shown = set(page.form.components) - {"width", "height"} | {"resolution"}
    assert names - shown == set(SETTLED)


def test_one_is_trained_shown_and_gone_on_with(
    page: HypernetworkPage, typed: dict[str, Any], host: FakeHost, tmp_path: Path
) -> None:
    assert page.press_train(*values(page, typed)) == [""]
    job, path = latest(page), tmp_path / "hypernetworks" / "warm.pt"
    assert job.progress.result == path, job.progress.error
    assert host.hypernetworks_saved == [path]
    assert len(job.progress.previews) == 2
    assert page.renew(opened=False)[1]["choices"] == ["warm"]
    assert read_hypernetwork(path).step == 4
    page.press_train(*values(page, {**typed, "max_train_steps": 7}))
    assert latest(page).progress.result == path, latest(page).progress.error
    assert read_hypernetwork(path).step == 7
    assert (path.parent / "warm.pt.before-1").exists()


def test_a_stopped_run_is_resumed(page: HypernetworkPage, typed: dict[str, Any]) -> None:
    page.press_train(*values(page, typed))
    latest(page)
    assert page.press_resume(*values(page, {**typed, "max_train_steps": 6})) == [""]
    result = latest(page).progress.result
    assert result is not None
    assert read_hypernetwork(result).step == 6
    with pytest.raises(TrainingError, match="no run of cold"):
        page.press_resume(*values(page, {**typed, "hypernetwork_name": "cold"}))


def test_one_is_made_and_not_replaced_unasked(
    page: HypernetworkPage, typed: dict[str, Any], tmp_path: Path
) -> None:
    page.press_create(False, *values(page, typed))
    assert latest(page).progress.result == tmp_path / "hypernetworks" / "warm.pt"
    page.press_create(False, *values(page, typed))
    assert "exists already" in str(latest(page).progress.error)
    page.press_create(True, *values(page, {**typed, "activation_func": "relu"}))
    assert latest(page).progress.result is not None
    found = read_hypernetwork(tmp_path / "hypernetworks" / "warm.pt")
    assert found.structure.activation == "relu"


@pytest.mark.parametrize(
    "wrong",
    [{"hypernetwork_name": " "}, {"layer_structure": "1, 2"}, {"train_data_dir": ""}],
)
def test_what_cannot_be_trained_is_said(
    page: HypernetworkPage, typed: dict[str, Any], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        page.press_train(*values(page, {**typed, **wrong}))
    assert page.studio.jobs.latest is None


def test_one_job_at_a_time(page: HypernetworkPage, typed: dict[str, Any]) -> None:
    page.press_train(*values(page, {**typed, "max_train_steps": 3000}))
    with pytest.raises(HostBusyError, match="warm is already running"):
        page.press_create(False, *values(page, typed))
    running = page.studio.jobs.running
    assert running is not None
    running.control.finish()
    latest(page)


def test_a_program_that_does_not_use_them_is_named(
    page: HypernetworkPage,
    host: FakeHost,
    typed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert page.renew(opened=True)[0] == ""
    monkeypatch.setattr(host, "features", lambda: Features(hypernetworks=False))
    assert "does not use hypernetworks" in page.renew(opened=True)[0]
    page.press_create(False, *values(page, typed))
    latest(page)
    _, shown, *_ = JobView(page.studio, "hypernetwork", gr.HTML(), gr.Button()).look(None)
    assert "does not use hypernetworks" in shown["value"]


def test_a_goal_fills_in_its_settings(page: HypernetworkPage) -> None:
    told, *updates = page.choose_goal("a1111")
    assert "AUTOMATIC1111" in HYPERNETWORK_PRESETS["a1111"].label
    assert "100,000 steps" in told
    shown = dict(zip(page.form.components, updates, strict=True))
    assert shown["learning_rate"]["value"] == "0.00001"
    assert "value" not in shown["hypernetwork_name"]
