"""AUTOMATIC1111's list of hypernetworks, kept current."""

from __future__ import annotations

from pathlib import Path

from modules import shared

from ..prompt_cache import is_in_folders


def refresh(path: Path) -> None:
    """The next prompt uses what was written: the list is read again, and one of that name that is
    loaded is forgotten, since A1111 would use the old numbers. A file outside of the folder
    is ignored."""
    if not is_in_folders(path, [shared.cmd_opts.hypernetwork_dir]):
        return
    shared.reload_hypernetworks()
    loaded = shared.loaded_hypernetworks
    loaded[:] = [each for each in loaded if getattr(each, "name", None) != path.stem]
