"""Sweeps as jobs: trainings that differ in some settings, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ti_core.errors import ConfigError, NotFoundError, setting
from ti_core.files.atomic import names_in
from ti_core.options import SettingValues, flat, make_config
from ti_core.train.config import BaseTrainConfig, TrainConfig
from ti_core.train.plan import Plan, make_plan
from ti_core.train.run_folder import RunFolder
from ti_core.train.sweep import require_possible, sweep
from ti_core.train.sweep_choices import Choices, NameRule, combinations
from ti_core.train.sweep_folder import Entry, SweepFolder
from ti_core.train.sweep_variants import Variant, make_variants

from .embeddings import all_names
from .job import Job
from .studio import Studio
from .training import SETTLED, new_request


def sweep_variants(
    studio: Studio, settings: SettingValues, choices: Choices, names: NameRule = "number"
) -> list[Variant]:
    """The trainings of a new sweep: `settings` by name, and what varies in them.

    Each is what Train would make of its settings, its file called NAME-1, NAME-2 … Raises
    ConfigError, and what `Places.checked` raises.
    """

    def settle(choice: SettingValues) -> BaseTrainConfig:
        config = make_config(TrainConfig, {**settings, **choice})
        return studio.places().checked(new_request(studio, config).config)

    chosen = combinations(choices, TrainConfig)
    for name in (name for choice in chosen for name in choice if name in SETTLED):
        raise ConfigError(
            f"a sweep cannot vary {setting(name)} here", SETTLED[name], "leave it out"
        )
    return make_variants(chosen, settle, names)


def start_sweep(studio: Studio, variants: Sequence[Variant]) -> Job:
    """Begin. Its job shows one training at a time; what it has made in the end is the comparison
    page. Raises HostBusyError while another job is running, and what keeps all trainings from
    beginning."""
    studio.jobs.require_free()
    require_possible(variants, studio.host())
    return _start(studio, SweepFolder.create(variants))


def resume_sweep(studio: Studio, logging_dir: str, name: str = "latest") -> Job:
    """Continue with the sweep whose folder has this name in the log directory, or the latest.

    Raises HostBusyError, NotFoundError, TrainingError, and ForbiddenError for settings that this
    page may not use.
    """
    studio.jobs.require_free()
    logs = studio.places().within(logging_dir, "logging_dir")
    if name not in ("latest", *names_in(logs)):
        why = f"{logs} has no such folder"
        raise NotFoundError(f"the sweep {name!r:.200} was not found", why, "check the name")
    found = SweepFolder.find(name if name == "latest" else str(logs / name), logs)
    found.entries = [_checked(studio, entry) for entry in found.entries]
    return _start(studio, found)


def _checked(studio: Studio, entry: Entry) -> Entry:
    """With absolute paths, all of which may be opened."""
    config = studio.places().checked(entry.variant.config)
    return replace(entry, variant=replace(entry.variant, config=config))


def _start(studio: Studio, folder: SweepFolder) -> Job:
    def work(job: Job) -> Path:
        host = studio.host()

        def planner(config: BaseTrainConfig, resume: RunFolder | None) -> Plan:
            taken = [name for name in all_names(studio) if name != config.name]
            return make_plan(config, host, resume, taken)

        made_in: SettingValues = {"host": host.name}
        return sweep(folder, host, job.emit, job.control, made_in, planner)

    job = studio.start("sweep", folder.name, work)
    job.settings = flat(folder.entries[0].variant.config)
    return job
