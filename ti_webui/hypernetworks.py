"""Hypernetworks as jobs: created, trained, and gone on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ti_core.errors import TIError, setting
from ti_core.hypernetworks.calls import hypernetworks_in
from ti_core.options import SettingValues, flat, from_dict
from ti_core.paths import given_path
from ti_core.train.changes import resumed_with
from ti_core.train.hypernetwork_config import (
    HypernetworkConfig,
    HypernetworkOutputConfig,
    HypernetworkTrainConfig,
)
from ti_core.train.hypernetwork_create import create_hypernetwork
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.progress import so_far
from ti_core.train.run_folder import RunFolder

from .job import Job
from .studio import Studio

SETTLED = (
    "weights",  # the hypernetwork that is chosen
    "output_dir",  # where the program looks for hypernetworks
    "output_name",  # the name
    "overwrite",  # choosing one that is there says so
    "save_model_as",  # programs look for .pt only
    "save_image_with_stored_embedding",  # there is no card of a hypernetwork
    "sample_negative",  # no word is trained
    "learning_rate_te1",  # no text encoder is trained
    "learning_rate_te2",
    "use_object_template",
    "use_style_template",
)
"""Settings without a field on the page: known already, or would point out of the program."""


def known_hypernetworks(studio: Studio) -> dict[str, Path]:
    """Name → file of those in the program's folder; none while no model is loaded."""
    try:
        folder = studio.host().hypernetworks_dir()
    except TIError:
        return {}
    return hypernetworks_in([], [folder]) if folder.is_dir() else {}


def start_hypernetwork_creation(studio: Studio, config: HypernetworkConfig, overwrite: bool) -> Job:
    """Begin; it takes a moment. Raises ConfigError for a bad name, HostBusyError while another job
    runs."""
    config.require_name()

    def work(job: Job) -> Path:
        host, keep = studio.host(), studio.settings().keep_replaced
        folder, seed = host.hypernetworks_dir(), 0
        return create_hypernetwork(config, host, folder, seed, overwrite, keep, job.emit)

    return studio.start("hypernetwork", config.hypernetwork_name, work)


def start_hypernetwork_training(studio: Studio, config: HypernetworkTrainConfig) -> Job:
    """Train a new one, or continue the one of this name that is there, whose file is kept as a
    numbered copy.

    Raises ConfigError when no images are named, HostBusyError while another job runs, and
    what `Places.checked` raises.
    """
    studio.jobs.require_free()
    if not config.data.dataset_config:
        given_path(config.data.train_data_dir, setting("train_data_dir"))
    there = known_hypernetworks(studio).get(config.name)
    folder = there.parent if there else studio.host().hypernetworks_dir()
    allowed = _allowed(studio, config)
    start = replace(allowed.hypernetwork, weights=str(there) if there else "")
    return _start(studio, replace(allowed, hypernetwork=start, output=_output(allowed, folder)))


def _allowed(studio: Studio, config: HypernetworkTrainConfig) -> HypernetworkTrainConfig:
    """With absolute paths that may be opened. The program's own folder and file of hypernetworks,
    which no one has asked for, need not be allowed: they are left out. Raises as
    `Places.checked`."""
    asked = replace(config, hypernetwork=replace(config.hypernetwork, weights=""))
    return studio.places().checked(replace(asked, output=_output(asked, studio.save_dir())))


def _output(config: HypernetworkTrainConfig, folder: Path) -> HypernetworkOutputConfig:
    """With the settings that the page has no fields for."""
    return replace(config.output, output_dir=str(folder), output_name="", overwrite=False)


@dataclass(frozen=True)
class ResumableHypernetwork:
    """A run that can be resumed."""

    folder: RunFolder
    config: HypernetworkTrainConfig


def find_resumable_hypernetwork(
    studio: Studio, name: str, logging_dir: str
) -> ResumableHypernetwork:
    """The newest run of this name ("" for any). Raises TrainingError when there is none,
    ForbiddenError and ConfigError for a log directory that may not be opened."""
    logs = studio.places().within(logging_dir, "logging_dir")
    folder = RunFolder.find("latest", logs, name, "hypernetwork")
    settings = folder.read_settings().get("train", {})
    return ResumableHypernetwork(folder, from_dict(HypernetworkTrainConfig, settings))


def resume_hypernetwork(
    studio: Studio, found: ResumableHypernetwork, changes: SettingValues
) -> Job:
    """Continue a run exactly where it stopped, with its own settings but for the `changes`.

    Raises HostBusyError while another job runs, and what `resumed_with` and `Places.checked` raise.
    """
    studio.jobs.require_free()
    config = resumed_with(found.config, changes)
    allowed = _allowed(studio, config)
    hypernetwork = replace(allowed.hypernetwork, weights=config.hypernetwork.weights)
    config = replace(allowed, hypernetwork=hypernetwork, output=config.output)
    return _start(studio, config, found.folder)


def _start(studio: Studio, config: HypernetworkTrainConfig, resume: RunFolder | None = None) -> Job:
    def work(job: Job) -> Path:
        host = studio.host()
        job.change(stage="looking at the images")
        if resume:
            job.change(**so_far(resume))
        plan = make_plan(config, host, resume)
        job.change(stage="getting ready")
        made_in: dict[str, object] = {"host": host.name}
        return train(config, host, job.emit, job.control, resume, made_in, plan=plan)

    job = studio.start("hypernetwork", config.name, work)
    job.settings = flat(config)
    return job
