"""Walks the folders of a library: which files may be embeddings, and when they last changed.

Links are followed, to files and to folders, inside the library or out of it: people keep their
models on another drive, and A1111 does so too. Two things keep that from running away: a folder
is visited once, however many links lead to it, and a link to a folder that holds the library
itself (`/`, a home folder) is not followed. Hidden files and folders are skipped.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import EmbeddingError, FileError

Stamp = tuple[int, int, int]
"""(time of the last change in ns, size in bytes, inode): a file with another one has changed."""

EMBEDDINGS = frozenset(("safetensors", "pt", "bin"))
CARDS = frozenset(("png", "webp", "jxl", "avif"))
"""Images that may carry an embedding; A1111 reads these four."""

PREVIEWS = ("png", "jpg", "jpeg", "webp", "gif")
"""Endings of the images that A1111 shows for an embedding."""

PICTURES = CARDS | frozenset(PREVIEWS)
"""Endings of all images that may be beside an embedding."""


def is_embedding_name(name: str) -> bool:
    """Whether a file that is called so may hold an embedding; the preview of one does not."""
    stem, _, ending = name.rpartition(".")
    is_card = ending.lower() in CARDS and not stem.lower().endswith(".preview")
    return bool(stem) and (ending.lower() in EMBEDDINGS or is_card)


def stamp_of(found: os.stat_result) -> Stamp:
    """The stamp in what the system tells of a file."""
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass
class Folder:
    """What was found in one folder."""

    path: str
    files: dict[str, Stamp] = field(default_factory=dict)
    """Name → stamp of every file that may be an embedding, in the order of their names."""
    pictures: set[str] = field(default_factory=set)
    """Names of all images, previews and cards alike."""
    faults: dict[str, FileError] = field(default_factory=dict)
    """Name → why it is skipped; the name is "" when it is the folder itself."""


def walk(roots: Sequence[str]) -> Iterator[Folder]:
    """Every folder once: the roots in their order, a folder before its sub-folders, by name."""
    above = {key for root in roots for key in _parents(root) if key is not None}
    seen: set[tuple[int, int]] = set()
    for root in roots:
        waiting = [(root, True)]
        while waiting:
            path, is_root = waiting.pop()
            key = _identity(path)
            if key in seen or (key in above and not is_root):
                continue
            if key is not None:
                seen.add(key)
            folder, inside = _look_into(path)
            yield folder
            waiting += [(os.path.join(path, name), False) for name in sorted(inside, reverse=True)]


def _parents(path: str) -> Iterator[tuple[int, int] | None]:
    parent = os.path.realpath(path)
    while parent != os.path.dirname(parent):
        parent = os.path.dirname(parent)
        yield _identity(parent)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _look_into(path: str) -> tuple[Folder, list[str]]:
    """(its files, names of its sub-folders)"""
    folder, inside = Folder(path), []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name[0] == ".":
                    continue
                if _is_folder(entry):
                    inside.append(entry.name)
                else:
                    _add(folder, entry)
    except OSError as error:
        why = error.strerror or str(error)
        folder.faults[""] = FileError(f"the folder {path} cannot be read", why)
    _drop_previews(folder)
    folder.files = dict(sorted(folder.files.items()))
    return folder, inside


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that runs in a circle
        return False


def _add(folder: Folder, entry: os.DirEntry[str]) -> None:
    stem, _, ending = entry.name.rpartition(".")
    ending = ending.lower()
    if not stem:
        return
    if ending in PICTURES:
        folder.pictures.add(entry.name)
    if is_embedding_name(entry.name):
        _add_file(folder, entry)


def _add_file(folder: Folder, entry: os.DirEntry[str]) -> None:
    name = entry.name
    try:
        found = entry.stat()
    except FileNotFoundError:
        if entry.is_symlink():  # else it has been removed this moment
            folder.faults[name] = EmbeddingError(f"{name} is a link that leads nowhere")
    except OSError as error:
        why = error.strerror or str(error)
        folder.faults[name] = EmbeddingError(f"{name} cannot be reached", why)
    else:
        if stat.S_ISREG(found.st_mode):
            folder.files[name] = stamp_of(found)
        else:
            folder.faults[name] = EmbeddingError(f"{name} is not a regular file")


def _drop_previews(folder: Folder) -> None:
    """An image beside an embedding of the same name is its preview, and is not searched."""
    if not folder.pictures:
        return
    stems = {name.rpartition(".")[0] for name in folder.files if name not in folder.pictures}
    for name in folder.pictures:
        if name.rpartition(".")[0] in stems:
            folder.files.pop(name, None)


def preview_of(stem: str, pictures: set[str]) -> str | None:
    """The name of the image that belongs to a file, among those in its folder, by A1111's
    rule; of several, the one that was made to be a preview."""
    for middle in (".preview.", "."):
        for ending in PREVIEWS:
            if f"{stem}{middle}{ending}" in pictures:
                return f"{stem}{middle}{ending}"
    return None
