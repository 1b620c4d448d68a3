"""Another name for an embedding or a hypernetwork, with everything that belongs to it.

Either every file has the new name afterwards or none has. Programs call an embedding by the name
of its file; where that name is inside the file as well, it is changed there (`inner_name`).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, FileError, NotFoundError
from ..events import Notice
from .belongings import belongings, left_behind
from .inner_name import with_name
from .library_walk import CARDS, is_embedding_name
from .moving import Move, move_all
from .names import checked_name, sibling_path
from .sidecars import with_trigger
from .twins import hidden_warning, require_free

_FIX = "choose another name"


class Renamed(NamedTuple):
    """An embedding under its new name."""

    path: Path
    notices: tuple[Notice, ...]
    """What is to be known besides."""


def rename(path: Path, name: str) -> Renamed:
    """Rename a file, its images, descriptions and numbered copies to `name`, in their folder.

    A link is renamed, and what it leads to stays as it is. Raises NotFoundError where there is no
    such file, ConfigError for a name that is not possible or taken by any of the files, in any
    letter case and format; StorageError. Then everything is as it was.
    """
    require_model_file(path)
    target = path.with_name(checked_name(name) + path.suffix)
    if target == path:
        raise ConfigError(f"it is called {name} already", "", _FIX)
    require_free(target, _FIX, own=path)
    content = None if path.is_symlink() else _content(path, target.stem)
    if content is None and path.suffix[1:].lower() in CARDS and not path.is_symlink():
        raise _card_without_text(path)
    stay = left_behind(path)
    move_all([_move(each, path, target, content) for each in belongings(path)], _FIX)
    return Renamed(target, tuple(_notices(path, target, stay)))


def require_model_file(path: Path) -> None:
    """Raise NotFoundError where nothing is, ConfigError for what programs take neither for an
    embedding nor for a hypernetwork."""
    if not path.is_file() and not path.is_symlink():
        raise NotFoundError(f"there is no file {path}", "", "check the name")
    if not is_embedding_name(path.name):
        fix = "give a .safetensors, .pt or .bin file, or a card"
        raise ConfigError(f"{path.name} is not an embedding's file", "", fix)


def _content(path: Path, name: str) -> bytes | None:
    """None for a hypernetwork, which every program calls by its file, and for damaged files."""
    try:
        return with_name(path, name)
    except FileError:
        return None


def _move(each: Path, path: Path, target: Path, content: bytes | None) -> Move:
    renamed = each.with_name(target.stem + each.name[len(path.stem) :])
    if each == path:
        return Move(each, renamed, content)
    notes = with_trigger(each, path.stem, target.stem) if each.suffix == ".json" else None
    return Move(each, renamed, notes)


def _card_without_text(path: Path) -> ConfigError:
    why = "A1111 calls a card by the name that is in its pixels, and those cannot be changed"
    return ConfigError(f"{path.name} cannot be renamed", why, "convert it to safetensors first")


def _notices(path: Path, target: Path, stay: list[Path]) -> list[Notice]:
    """For the user: what stays, and what may surprise."""
    found = []
    if stay:
        names, why = ", ".join(each.name for each in stay), f"another {path.stem} has them too"
        found.append(Notice("info", f"{names} stay as they are", why))
    if target.suffix[1:].lower() in CARDS:
        what = f"the image still shows {path.stem}"
        found.append(Notice("info", what, "", "convert it to png again for a new card"))
    half = sibling_path(path)
    if half is not None and half.is_file():
        what = f"{half.name} seems to be the other half of {path.name}, and keeps its name"
        found.append(Notice("warning", what, "", "rename it likewise, with _2 at the end"))
    hidden = hidden_warning(target)
    return [*found, *([Notice("warning", hidden)] if hidden else [])]
