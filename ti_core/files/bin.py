"""Deleted embeddings: a hidden folder beside them, from which each is brought back.

`cat.safetensors` goes to `.ti-bin/cat/cat.safetensors.deleted`, with everything that belongs to it.
A1111 looks for embeddings in hidden folders, too; no program takes a file of that ending for one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import NotFoundError, StorageError
from .atomic import make_folder, names_in, storage_errors
from .belongings import belongings
from .library_walk import is_embedding_name, walk
from .moving import Move, move_all
from .names import alike
from .renaming import require_model_file
from .twins import require_free

BIN = ".ti-bin"
_ENDING = ".deleted"
_FIX = "rename, move or delete it first"


class Deleted(NamedTuple):
    """An embedding in a bin."""

    folder: Path
    """Holds its files, and nothing else."""
    path: Path
    """Where it was."""
    when: float
    """In seconds since 1970."""

    @property
    def name(self) -> str:
        """What it was called in prompts."""
        return self.path.stem

    @property
    def told(self) -> str:
        """cat.safetensors, deleted 2026-11-29 22:10"""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.when))
        return f"{self.path.name}, deleted {when}"


def delete(path: Path) -> Deleted:
    """Move an embedding or a hypernetwork and everything that belongs to it into the bin of its
    folder; all of it or nothing. Raises NotFoundError, ConfigError and StorageError as `rename`."""
    require_model_file(path)
    files = belongings(path)
    folder = _new_folder(path)
    try:
        move_all([Move(each, folder / f"{each.name}{_ENDING}") for each in files], _FIX)
    except BaseException:
        _remove_empty(folder)
        raise
    return _deleted(folder, path)


def bring_back_deleted(deleted: Deleted) -> Path:
    """Put everything back where it was; returns the embedding's path.

    Raises ConfigError where a file or an embedding of that name, in any letter case and format, is
    there now, NotFoundError when it is in the bin no longer, StorageError; then nothing changes.
    """
    files = [deleted.folder / name for name in names_in(deleted.folder)]
    if not files:
        raise NotFoundError(f"{deleted.path.name} is not in the bin", "", "list what there is")
    require_free(deleted.path, _FIX)
    home = deleted.path.parent
    move_all([Move(each, home / each.name.removesuffix(_ENDING)) for each in files], _FIX)
    _remove_empty(deleted.folder)
    return deleted.path


def deleted_in(folders: Sequence[Path]) -> list[Deleted]:
    """What is in the bins of folders and their sub-folders, newest first. Raises StorageError."""
    bins = [Path(folder.path, BIN) for folder in walk([str(folder) for folder in folders])]
    found = [each for place in bins for name in names_in(place) for each in _found(place / name)]
    return sorted(found, key=lambda each: (-each.when, str(each.path)))


def newest_deleted(folders: Sequence[Path], name: str = "") -> Deleted:
    """The one of this name ("" for any) that was deleted last. Raises NotFoundError."""
    found = [each for each in deleted_in(folders) if name == "" or alike(each.name) == alike(name)]
    if not found:
        what = f"no deleted embedding is called {name}" if name else "the bin is empty"
        raise NotFoundError(what, "", "check the name and the folder")
    return found[0]


def empty_bin(folders: Sequence[Path]) -> list[Deleted]:
    """Remove for good what is in the bins; returns what was. Raises StorageError."""
    found = deleted_in(folders)
    for each in found:
        for name in names_in(each.folder):
            with storage_errors(each.folder):
                (each.folder / name).unlink()
        _remove_empty(each.folder)
    return found


def _found(folder: Path) -> list[Deleted]:
    """The embedding whose files are in a folder of a bin; none in what others left there."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    names = [name.removesuffix(_ENDING) for name in names_in(folder) if name.endswith(_ENDING)]
    home = folder.parent.parent
    return [_deleted(folder, home / name) for name in _models(names)[:1]]


def _deleted(folder: Path, path: Path) -> Deleted:
    with storage_errors(folder):
        return Deleted(folder, path, folder.stat().st_mtime)


def _models(names: list[str]) -> list[str]:
    """The embedding comes before an image of its name, which could be a card."""
    known = [name for name in names if is_embedding_name(name)]
    return sorted(known, key=lambda name: name.lower().endswith((".png", ".webp", ".jxl", ".avif")))


def _new_folder(path: Path) -> Path:
    place = make_folder(path.parent / BIN)
    for number in range(1, 10_000):
        folder = place / (path.stem if number == 1 else f"{path.stem}-{number}")
        with storage_errors(folder), contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise StorageError(f"{place} contains too many embeddings of this name", "", "empty the bin")


def _remove_empty(folder: Path) -> None:
    """And the bin, if that was all in it."""
    for each in (folder, folder.parent):
        with contextlib.suppress(OSError):  # something is still in it
            each.rmdir()
