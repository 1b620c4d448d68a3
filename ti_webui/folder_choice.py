"""Folders that can be meant while one is being written: those last trained on, or that begin so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ti_core.errors import TIError
from ti_core.files.roots import read_path

from .form_memory import FormMemory
from .studio import Studio

_MOST = 8
_LOOKED_AT = 5000
"""Entries of a folder; a larger one is not read to its end at each key."""
_RUNS = 20
"""The newest, whose folders are remembered."""


def recent_folders(studio: Studio) -> list[Path]:
    """Folders of images that the newest runs were trained on and that are still there."""
    memory = FormMemory(studio)
    found: dict[Path, None] = {}
    for run in memory.runs()[:_RUNS]:
        try:
            folder = Path(str(memory.of_run(run)["train_data_dir"]))
            if studio.places().allows(folder) and folder.is_dir():
                found[folder] = None
        except (TIError, OSError):
            continue  # the settings of that run cannot be read: it names no folder
    return list(found)[:_MOST]


def folders_like(studio: Studio, text: str) -> list[Path]:
    """Folders whose path begins with `text`, in the order of their names; those in it where it is
    a folder itself."""
    allows = studio.places().allows  # before anything is touched
    try:
        path = read_path(text)
        is_folder = allows(path) and path.is_dir()
        parent, begins = (path, "") if is_folder else (path.parent, path.name)
        names = sorted(_names(parent, begins), key=str.casefold) if allows(parent) else []
    except (TIError, OSError):
        return []  # what is written says so itself when it is used
    return [parent / name for name in names if allows(parent / name)][:_MOST]


def _names(parent: Path, begins: str) -> Iterator[str]:
    """Of the folders in a folder; hidden ones only where a dot is written."""
    with os.scandir(parent) as entries:
        for entry in islice(entries, _LOOKED_AT):
            name = entry.name
            is_meant = name.isprintable() and begins.startswith(".") == name.startswith(".")
            if is_meant and name.casefold().startswith(begins.casefold()) and entry.is_dir():
                yield entry.name
