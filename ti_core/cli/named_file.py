"""An embedding file that is given by its name alone, as A1111's users and kohya's know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..files.roots import present_folder
from ..options import Checked, option

USUAL_FOLDER = "embeddings"
"""Where `ti create` and `ti train` save."""


@dataclass(frozen=True)
class NamedFileConfig(Checked):
    """Where an embedding is found by its name."""

    title = "Where"
    embeddings_dir: str | None = option(
        None,
        f"folder in which an embedding is found by its name; {USUAL_FOLDER} if none is given",
        label="Embeddings directory",
        path="embeddings",
    )

    @property
    def folder(self) -> Path:
        """The folder. Raises ConfigError where one is given that is empty or not there."""
        given = self.embeddings_dir
        if given is None:
            return Path(USUAL_FOLDER).absolute()
        return present_folder(given, "embeddings_dir")

    def file_of(self, name: str) -> Path:
        """As `file_of`, in this folder."""
        return Path(file_of(name, str(self.folder)))


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
