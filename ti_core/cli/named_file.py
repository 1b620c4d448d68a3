"""An embedding file that is given by its name alone, as A1111's users and kohya's know it."""

from __future__ import annotations

from pathlib import Path


def file_of(given: str, folder: str) -> str:
    """The path that is given where something is there, else that of the embedding of this name in
    the folder of embeddings or below it; as it was given where there is none."""
    from ..files.library import Library

    if not given or Path(given).is_file() or not Path(folder).is_dir():
        return given
    library = Library([Path(folder)])
    library.refresh()
    found = library.find(given)
    return str(found.path) if found and not found.term else given
