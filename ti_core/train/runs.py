"""Runs that can be resumed: what a user is offered after a crash, or the day after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, TrainingError
from ..options import SettingValues
from ..schedule import parse_schedule
from .run_folder import RunFolder
from .run_lock import is_locked
from .state import list_states, step_of


@dataclass(frozen=True)
class ResumableRun:
    """A run that is not finished, and is not active at this moment."""

    folder: RunFolder
    name: str
    """Of what it trains."""
    step: int
    """From which it would continue."""
    max_steps: int
    saved: float
    """When the state of that step was written, in seconds since 1970."""
    preview: Path | None
    """The newest preview image."""

    @property
    def label(self) -> str:
        """zz-cat, step 450 of 1600, 2026-11-29 22:10 (2026-11-29/zz-cat-2)"""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.saved))
        return f"{self.name}, step {self.step} of {self.max_steps}, {when} ({self.folder.place})"


def resumable(
    logging_dir: Path,
    name: str = "",
    group: str = "embedding",
    wrecks: list[tuple[RunFolder, TrainingError]] | None = None,
) -> list[ResumableRun]:
    """Unfinished runs of this name ("" for any) in a log directory, newest first; `group`
    and `wrecks` are as in `RunFolder.all_of`.

    Only names and times of state files are looked at: whether a state is whole is found out when
    its run is resumed.
    """
    runs = (_resumable(*found) for found in RunFolder.all_of(logging_dir, name, group, wrecks))
    return sorted((run for run in runs if run), key=lambda run: run.saved, reverse=True)


def labelled_run(logging_dir: Path, label: str, name: str, group: str = "embedding") -> RunFolder:
    """The run that `ResumableRun.label` has told of, however far it has come since; `group` is as
    in `RunFolder.all_of`.

    Raises TrainingError when it is not there any more, ConfigError when it trains something else
    than what has this name.
    """
    for folder, settings in RunFolder.all_of(logging_dir, group=group):
        if label.endswith(f"({folder.place})"):
            _require_name(folder, _name(settings), name)
            return folder
    what, why = f"there is no run {label!r:.200}", "its folder was moved or deleted"
    raise TrainingError(what, why, "choose another one, or begin a new run")


def _require_name(folder: RunFolder, trained: str, name: str) -> None:
    if trained != name:
        what = f"the run {folder.place} trains {trained}, and not {name}"
        raise ConfigError(what, "", f"choose a run of {name}, or continue {trained}")


def _name(settings: SettingValues) -> str:
    """Of what a run trains; version 0.1 had no "name" beside the settings."""
    return str(settings.get("name") or settings["train"]["embedding"]["token_string"])


def _resumable(folder: RunFolder, settings: SettingValues) -> ResumableRun | None:
    train, states = settings["train"], list_states(folder.state)
    try:
        most = _last_step(train["optimizer"])
        name = _name(settings)
    except (KeyError, TypeError, ValueError, ConfigError):
        return None
    ends_early = bool(train.get("validation", {}).get("early_stopping"))
    if not states or is_locked(folder.path):
        return None
    if not _has_more(folder, step_of(states[-1]), most, ends_early):
        return None
    try:
        saved = states[-1].stat().st_mtime
    except OSError:  # a run that is active replaces its states
        return None
    pictures = folder.previews()
    return ResumableRun(
        folder, name, step_of(states[-1]), most, saved, pictures[-1] if pictures else None
    )


def _last_step(options: SettingValues) -> int:
    most = int(options["max_train_steps"])
    return min(most, parse_schedule(str(options["learning_rate"]), most).end)


def _has_more(folder: RunFolder, step: int, most: int, ends_early: bool) -> bool:
    """Steps to make; or after all of them the file to write, before which a kill may come."""
    last = folder.last_event()
    is_over = last.get("event") == "Finished"
    if is_over and ends_early and last.get("reason") == "done":
        return False  # its validation loss no longer falls
    return step < most or (step == most and not is_over)
