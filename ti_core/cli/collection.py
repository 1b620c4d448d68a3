"""The embeddings that a command may use by their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..files.roots import present_folder
from ..options import Checked, option
from .named_file import USUAL_FOLDER

if TYPE_CHECKING:
    from ..port.session import Session
    from ..tools.sources import Sources


@dataclass(frozen=True)
class CollectionConfig(Checked):
    """The folders whose embeddings may be named."""

    title = "Embeddings"
    textual_inversion_embeddings: tuple[str, ...] = option(
        (),
        "embedding files, each used by the name of its file",
        label="Embeddings",
        aliases=("embeddings",),
        path="embeddings",
    )
    embeddings_dir: str | None = option(
        None,
        f"folder whose embeddings can be used as well; the default is {USUAL_FOLDER}, if it exists",
        label="Embeddings directory",
        path="embeddings",
    )

    @property
    def files(self) -> list[Path]:
        """The files that are listed."""
        return [Path(name) for name in self.textual_inversion_embeddings]

    @property
    def folders(self) -> list[Path]:
        """The folder, or the usual one. Raises ConfigError when one is given that is empty or not
        there."""
        if self.embeddings_dir is not None:
            return [present_folder(self.embeddings_dir, "embeddings_dir")]
        usual = Path(USUAL_FOLDER)
        return [usual] if usual.is_dir() else []


@dataclass(frozen=True)
class HypernetworkCollectionConfig(Checked):
    """The hypernetworks that a prompt may call."""

    title = "Hypernetworks"
    hypernetworks: tuple[str, ...] = option(
        (),
        "hypernetwork files, each used by the name of its file: <hypernet:NAME:0.7>",
        label="Hypernetworks",
        path="file",
    )
    hypernetwork_dir: str | None = option(
        None,
        "folder whose hypernetworks can be used as well",
        label="Hypernetworks directory",
        path="input folder",
    )

    @property
    def known(self) -> dict[str, Path]:
        """Name → file. Raises ConfigError when the folder is empty or not there."""
        from ..hypernetworks.calls import hypernetworks_in

        folder, files = self.hypernetwork_dir, map(Path, self.hypernetworks)
        folders = [] if folder is None else [present_folder(folder, "hypernetwork_dir")]
        return hypernetworks_in(files, folders)


def open_sources(config: CollectionConfig, session: Session | None) -> Sources:
    """The files and folders, and the vocabulary of a model that is open."""
    from ..tools.sources import Sources

    return Sources(config.files, config.folders, session)
