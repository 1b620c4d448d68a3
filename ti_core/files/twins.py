"""Files of one name, of which a program uses only one: beside each other, and in sub-folders."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError, setting
from .atomic import names_in
from .library_entry import used_by_a1111
from .library_walk import EMBEDDINGS, walk
from .names import alike, composed

COMFYUI_ORDER = (".safetensors", ".pt", ".bin")
"""Endings in the order in which ComfyUI tries them for `embedding:NAME` (`load_embed`)."""

_MOST_FOLDERS = 1000
"""That are looked into; somebody may write a file into their home."""


def namesakes(path: Path) -> list[Path]:
    """The other embedding files of this name in its folder, in any letter case and format.

    `path` need not be there. Raises StorageError.
    """
    others = [path.with_name(name) for name in _of_name(names_in(path.parent), path.stem)]
    return [other for other in others if other.name != path.name and not _is_same(other, path)]


def require_free(path: Path, fix: str = "", own: Path | None = None) -> None:
    """Raise ConfigError where an embedding of this name is in the folder, in any letter case and
    format, and is not one's `own`: two of one name would hide each other."""
    there = [path] if os.path.lexists(path) else namesakes(path)
    there = [other for other in there if own is None or not _is_same(other, own)]
    if not there:
        return
    name = there[0]
    why = "" if name == path else f"programs would use only one of it and {path.name}"
    use = f"or use {setting('overwrite')}, which keeps the old file as a numbered copy"
    raise ConfigError(f"{name} exists already", why, fix or f"choose another name, {use}")


def twin_warning(path: Path) -> str:
    """A warning when other embedding files of the name of this one, which need not be there yet,
    lie beside it; else "". Raises StorageError."""
    others = namesakes(path)
    if not others or path.suffix[1:].lower() not in EMBEDDINGS:
        return ""
    twins = sorted([path, *others])
    names = [other.name for other in twins]
    a1111 = names[used_by_a1111([other.stem for other in twins])]
    comfyui = _used_by_comfyui(composed(path.stem), names)
    return (
        f"{' and '.join(map(_told, names))} have the same name: ComfyUI uses {comfyui}, A1111 "
        f"{_told(a1111)}, if it reads the folder by name; keep one of them in a folder"
    )


def _used_by_comfyui(stem: str, names: Sequence[str]) -> str:
    """It compares every byte of a name; what people type is composed."""
    tried = (f"{stem}{ending}" for ending in COMFYUI_ORDER)
    return next((_told(name) for name in tried if name in names), "none of them")


def _told(name: str) -> str:
    """A name whose accents are signs of their own looks like the other one."""
    return name if name == composed(name) else f"{name} (its accents are not composed)"


def hidden_warning(path: Path) -> str:
    """A warning when embedding files of this name are in sub-folders of the file's folder, which
    A1111 meets later; else ""."""
    below = [
        Path(folder.path, name).relative_to(path.parent).as_posix()
        for folder in itertools.islice(walk([str(path.parent)]), _MOST_FOLDERS)
        for name in _of_name(list(folder.files), path.stem)
        if Path(folder.path) != path.parent
    ]
    if not below:
        return ""
    return (
        f"{' and '.join(below)} has the name of {path.name} too: A1111 uses the one that "
        "it meets last, which is the one in the subfolder; choose another name, or keep one"
    )


def _of_name(names: list[str], stem: str) -> list[str]:
    name = alike(stem)
    paths = [(each, Path(each)) for each in names]
    return [
        each
        for each, path in paths
        if alike(path.stem) == name and path.suffix[1:].lower() in EMBEDDINGS
    ]


def _is_same(one: Path, other: Path) -> bool:
    """One file under two spellings, where letter case makes no difference."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
