"""New embeddings of the panel: into the program's folder, and never over another file."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ti_core.errors import ConfigError
from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS
from ti_core.files.names import alike, checked_name
from ti_core.files.writing import write_embedding

from .embeddings import all_names
from .studio import Studio


def save_new(
    studio: Studio,
    embedding: Embedding,
    format: str = "safetensors",
    picture: Image.Image | None = None,
) -> Path:
    """Write an embedding under its name, and tell the host.

    Raises ConfigError for a bad name or one that is taken by a file of any format, EmbeddingError
    when the format cannot hold it, StorageError.
    """
    if format not in FORMATS:
        raise ConfigError(
            f"there is no format {format!r}", "", f"choose one of {', '.join(FORMATS)}"
        )
    name = checked_name(embedding.name)
    path = studio.save_dir() / f"{name}{FORMATS[format].endings[0]}"
    if path.exists() or alike(name) in map(alike, all_names(studio)):
        why = "nothing is written over it, and two files of one name would hide each other"
        raise ConfigError(f"there is an embedding {name} already", why, "choose another name")
    write_embedding(path, embedding, format, picture)
    studio.host().embedding_saved(path)
    return path
