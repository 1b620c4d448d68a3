"""Take one of the copies for the finished file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..files.embedding import Embedding
from ..files.kept import KEPT
from ..files.names import checked_name
from ..files.reading import read_embedding
from ..files.replaced import replace_embedding, replace_file
from ..files.sidecars import our_sidecars, write_notes
from ..files.twins import require_free
from ..hypernetworks.reading import read_hypernetwork
from ..hypernetworks.writing import write_hypernetwork

_NAMED = ("ti.name", "modelspec.title", "modelspec.trigger_phrase")


def use_embedding(
    path: Path, folder: Path, name: str, replace_present: bool = False, keep_replaced: int = KEPT
) -> Path:
    """Write the embedding in `path` as `<name>.safetensors` into `folder`, whole or not at all.

    Embeddings of that name there are replaced only when that is wanted, and kept as copies. Raises
    ConfigError for a bad or taken name, FileError for a bad file, StorageError.
    """
    target = _target(folder, name, ".safetensors", replace_present)
    embedding = renamed(read_embedding(path), name)
    replace_embedding(target, embedding, keep_replaced, same_word=True)
    if any(beside.suffix == ".json" for beside in our_sidecars(target)):
        write_notes(target, embedding)
    return target


def use_hypernetwork(
    path: Path, folder: Path, name: str, replace_present: bool = False, keep_replaced: int = KEPT
) -> Path:
    """The same for a hypernetwork, in the format of its copy."""
    target = _target(folder, name, path.suffix.lower(), replace_present)
    found = replace(read_hypernetwork(path), name=name)
    replace_file(target, lambda: write_hypernetwork(target, found), keep_replaced, same_word=True)
    return target


def renamed(embedding: Embedding, name: str) -> Embedding:
    """The same embedding under another name, in its metadata as well."""
    told = {key: name for key in _NAMED if key in embedding.metadata}
    return replace(embedding, name=name, metadata={**embedding.metadata, **told})


def _target(folder: Path, name: str, ending: str, replace_present: bool) -> Path:
    target = folder / f"{checked_name(name)}{ending}"
    if not replace_present:
        require_free(target, "choose another name, or have it replaced")
    return target
