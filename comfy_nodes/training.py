"""One training, from the values on the cables to the run folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from comfy.model_management import throw_exception_if_processing_interrupted

from ..ti_core.events import Listener
from ..ti_core.files.atomic import write_bytes
from ..ti_core.port.session import Host
from ..ti_core.train.config import BaseTrainConfig
from ..ti_core.train.run_folder import OnNotice, RunFolder
from ..ti_core.train.runs import ResumableRun, labelled_run, resumable
from .kinds import EMBEDDING, SEVERAL, Kind, T
from .places import runs_dir
from .runs import RunControl
from .sockets import DatasetValue, RunLog, SettingsValue

ALWAYS = ("new", "latest")
"""What can always be chosen in "Resume"."""
_MOST_UNFINISHED = 24


@dataclass(frozen=True)
class Trained(Generic[T]):
    """What a training gives."""

    learned: T
    log: RunLog
    previews: tuple[Path, ...]


def run(
    kind: Kind[T],
    start: T,
    dataset: DatasetValue,
    settings: SettingsValue,
    host: Host,
    resume: str,
    control: RunControl,
    on_event: Listener,
) -> Trained[T]:
    """Train, in a run folder below ComfyUI's output folder, where everything stays.

    Raises TIError, and ComfyUI's own exception after an interrupt; what was learned is on the disk
    by then.
    """
    from ..ti_core.train.loop import train  # ComfyUI starts sooner without it

    config = kind.config(start, dataset.data, settings)
    last = _run_to_resume(kind, config.name, resume, on_event)
    folder = last or RunFolder.create(runs_dir(), config.file_stem)
    try:
        config = _with_files(kind, config, folder.path, start, settings.preview.sample_prompts)
        path = train(config, host, on_event, control, last, {"made_by": "ComfyUI"}, folder)
    finally:
        _forget_if_empty(folder)
    throw_exception_if_processing_interrupted()
    control.require_not_interrupted()
    log = RunLog(config.name, folder.path, tuple(folder.losses()))
    pictures = tuple(sorted((folder.path / "images").glob("*.png")))
    return Trained(kind.learned(config, path), log, pictures)


def unfinished_runs(group: str) -> list[ResumableRun]:
    """Those that can be chosen in "Resume", newest first; `group` is a `Kind.group`."""
    found = resumable(runs_dir(), group=group)
    if group == EMBEDDING.group:  # those of several are trained by another node
        others = {run.folder.path for run in resumable(runs_dir(), group=SEVERAL.group)}
        found = [run for run in found if run.folder.path not in others]
    return found[:_MOST_UNFINISHED]


def resume_choices(group: str) -> list[str]:
    """What is in "Resume": of the unfinished runs, their labels."""
    return [*ALWAYS, *(run.label for run in unfinished_runs(group))]


def _run_to_resume(
    kind: Kind[Any], name: str, resume: str, on_notice: OnNotice
) -> RunFolder | None:
    """Raises TrainingError when the run that is chosen is not there, ConfigError when it trains
    something else."""
    if resume == "new":
        return None
    if resume == "latest":
        return RunFolder.find("latest", runs_dir(), name, kind.group, on_notice)
    return labelled_run(runs_dir(), resume, name, kind.group)


def _with_files(
    kind: Kind[T], config: BaseTrainConfig, folder: Path, start: T, prompts: str
) -> BaseTrainConfig:
    """What the core reads from files is in the run folder, and so is the result."""
    config, lines = kind.started_in(config, start, folder), folder / "preview_prompts.txt"
    write_bytes(lines, prompts.encode(errors="replace"))
    return replace(
        config,
        output=replace(config.output, output_dir=str(folder), overwrite=True),
        preview=replace(config.preview, sample_prompts=str(lines)),
    )


def _forget_if_empty(folder: RunFolder) -> None:
    """A run that was refused before its first line leaves nothing behind."""
    if (folder.path / "settings.json").exists():
        return
    shutil.rmtree(folder.path)
