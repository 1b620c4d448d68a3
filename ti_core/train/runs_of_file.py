"""What the runs of an embedding mean for somebody who renames or deletes its file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import HostBusyError
from ..events import Notice
from .run_folder import RunFolder
from .run_lock import is_locked
from .runs import resumable


def require_no_run(logging_dirs: Iterable[Path], name: str) -> None:
    """Raise HostBusyError while a training writes the embedding of this name."""
    for logs in logging_dirs:
        for folder, _ in RunFolder.all_of(logs, name):
            if is_locked(folder.path):
                what, why = f"{name} is being trained", f"the run {folder.place} writes its file"
                raise HostBusyError(what, why, "wait for its end, or finish it")


def runs_that_write(logging_dirs: Iterable[Path], name: str) -> list[Notice]:
    """A notice of the unfinished runs that write the file of this name again when one is resumed;
    none where there is no such run."""
    found = [run.folder.place for logs in logging_dirs for run in resumable(logs, name)]
    if not found:
        return []
    what = f"{len(found)} unfinished run(s) still train {name} ({found[0]})"
    return [Notice("info", what, "a run keeps its name: when it is resumed, it writes that file")]
