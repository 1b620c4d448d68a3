"""Take one of the copies for the embedding."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError
from ..files.atomic import write_with
from ..files.embedding import Embedding
from ..files.names import checked_name
from ..files.reading import read_embedding
from ..files.regular_file import open_regular
from ..files.writing import write_embedding
from ..tools.making import convert

_NAMED = ("ti.name", "modelspec.title", "modelspec.trigger_phrase")


def use_copy(path: Path, folder: Path, name: str, replace_present: bool = False) -> Path:
    """Write the embedding in `path` as `<name>.safetensors` into `folder`, whole or not at all.

    A file of that name is replaced only when that is asked for, and kept as
    `<name>.safetensors.before-1` (-2 …), which no program loads. Raises ConfigError for a bad or
    taken name, FileError for a bad file, StorageError.
    """
    target = folder / f"{checked_name(name)}.safetensors"
    embedding = renamed(read_embedding(path), name)
    if target.exists():
        if not replace_present:
            what = f"there is an embedding {name} in {folder}"
            raise ConfigError(what, "", "choose another name, or have it replaced")
        keep_before(target)
    write_embedding(target, embedding)
    return target


def as_safetensors(path: Path) -> Path:
    """Write the embedding of a `.pt` or `.bin` beside it as `.safetensors`; the old file is kept as
    `<name>.pt.before-1`, since two files of one name would hide each other.

    Raises ConfigError when there is such a file already, FileError for a bad one, StorageError.
    """
    target = path.with_suffix(".safetensors")
    if target.exists():
        what = f"{target.name} and {path.name} have the same name"
        raise ConfigError(what, "programs use only one of them", "rename or remove one")
    write_embedding(target, convert(read_embedding(path), path.stem))
    keep_before(path)
    path.unlink()
    return target


def keep_before(path: Path) -> Path:
    """Save a file that will be replaced under a name of its own. Raises StorageError."""
    pattern = re.compile(re.escape(path.name) + r"\.before-(\d+)")
    taken = [int(m[1]) for p in path.parent.iterdir() if (m := pattern.fullmatch(p.name))]
    kept = path.with_name(f"{path.name}.before-{max(taken, default=0) + 1}")
    with open_regular(path) as old:
        write_with(kept, lambda new: shutil.copyfileobj(old, new))
    return kept


def renamed(embedding: Embedding, name: str) -> Embedding:
    """The same embedding under another name, in its metadata as well."""
    told = {key: name for key in _NAMED if key in embedding.metadata}
    return replace(embedding, name=name, metadata={**embedding.metadata, **told})
