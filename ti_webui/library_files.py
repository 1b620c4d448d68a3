"""Renaming, deleting and labelling embeddings, for the page and the API; the host is told."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ti_core.errors import ConfigError, HostBusyError, HostError, NotFoundError
from ti_core.files.atomic import storage_errors
from ti_core.files.bin import Deleted, bring_back_deleted, delete, deleted_in
from ti_core.files.label import Label
from ti_core.files.labelling import read_label, write_label
from ti_core.files.library_entry import Entry
from ti_core.files.reading import read_embedding
from ti_core.files.renaming import Renamed, rename
from ti_core.train.run_folder import RunFolder
from ti_core.train.runs_of_file import require_no_run, runs_that_write

from .studio import Studio


def rename_embedding(studio: Studio, entry: Entry, name: str) -> Renamed:
    """Give an embedding another name, in all its files. Raises ConfigError, HostBusyError while it
    is trained, and StorageError; then nothing has changed."""
    path = _file_of_its_own(studio, entry)
    renamed = rename(path, name)
    told = runs_that_write(studio.logging_dirs(), path.stem)
    _tell(studio, renamed.path)
    _tell_of_gone(studio, path)
    return Renamed(renamed.path, (*renamed.notices, *told))


def delete_embedding(studio: Studio, entry: Entry) -> Deleted:
    """Move all files of an embedding into the bin. Raises as `rename_embedding`."""
    deleted = delete(_file_of_its_own(studio, entry))
    _tell_of_gone(studio, deleted.path)
    return deleted


def deleted(studio: Studio) -> dict[str, Deleted]:
    """What is in the bins of the program's folders, newest first, by its folder there; only these
    are ever brought back."""
    return {str(each.folder): each for each in deleted_in(studio.embeddings_dirs())}


def undelete(studio: Studio, file: str = "") -> Path:
    """Bring one of `deleted` back, "" for the newest; returns its path. Raises NotFoundError for
    what is not among them, ConfigError where a file of its name is there now, StorageError."""
    found = deleted(studio)
    wanted = found.get(file) if file else next(iter(found.values()), None)
    if wanted is None:
        what = "that is not in the bin" if file else "the bin is empty"
        raise NotFoundError(what, "", "choose one from the list")
    path = bring_back_deleted(wanted)
    _tell(studio, path)
    return path


def label_of(entry: Entry) -> Label:
    """What is noted of an embedding. Raises FileError."""
    embedding = read_embedding(entry.path, entry.term or None)
    return read_label(entry.path, embedding.metadata)


def label_embedding(entry: Entry, label: Label) -> None:
    """Note what is given. Raises ConfigError, FileError and StorageError."""
    write_label(_alone(entry), label)


def pictures_of(studio: Studio, name: str) -> list[Path]:
    """Preview images that runs of this name have made, newest first. Raises StorageError."""
    found = [
        picture
        for logs in studio.logging_dirs()
        for run, _ in RunFolder.all_of(logs, name)
        for picture in run.previews()
    ]
    return sorted(found, key=lambda path: -path.stat().st_mtime)


def _file_of_its_own(studio: Studio, entry: Entry) -> Path:
    path = _alone(entry)
    running = studio.jobs.running
    if running and running.kind == "train" and running.name == entry.name:
        raise HostBusyError(f"{entry.name} is being trained", "", "wait for its end, or finish it")
    require_no_run(studio.logging_dirs(), entry.name)
    return path


def _alone(entry: Entry) -> Path:
    if entry.term:
        why = f"it is one of several in {entry.path.name}"
        raise ConfigError(f"{entry.name} has no file of its own", why, "convert it first")
    return entry.path


def _tell(studio: Studio, path: Path) -> None:
    with contextlib.suppress(HostError):  # without a model nothing has a list of them
        studio.host().embedding_saved(path)


def _tell_of_gone(studio: Studio, path: Path) -> None:
    """Web UIs read a folder of embeddings again, before the next image, when its own time of
    change is another one; that of a sub-folder they do not look at."""
    for root in studio.embeddings_dirs():
        if path.is_relative_to(root.absolute()):
            with storage_errors(root), contextlib.suppress(PermissionError):
                os.utime(root)
