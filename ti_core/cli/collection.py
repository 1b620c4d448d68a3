"""The embeddings that a command may use by their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..options import Checked, option

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
    embeddings_dir: str = option(
        "",
        "folder whose embeddings can be used as well",
        label="Embeddings directory",
        path="embeddings",
    )


def open_sources(config: CollectionConfig, session: Session | None) -> Sources:
    """The files and folders, and the vocabulary of a model that is open."""
    from ..tools.sources import Sources

    files = [Path(name) for name in config.textual_inversion_embeddings]
    folders = [Path(config.embeddings_dir)] if config.embeddings_dir else []
    return Sources(files, folders, session)
