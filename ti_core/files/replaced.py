"""What is replaced is kept: numbered copies beside an embedding file, and the way back.

A `cat.safetensors` that is replaced stays as `cat.safetensors.before-1` (-2 …, the newest has the
highest number), with the notes and the preview that were written here for it as
`cat.json.before-1` and `cat.preview.png.before-1`. No program takes such a file for an embedding.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..errors import FileError, NotFoundError
from ..events import Notice
from .atomic import names_in, storage_errors, write_with
from .checksum import file_sha256
from .embedding import Embedding
from .kept import KEPT
from .library_walk import CARDS, EMBEDDINGS, walk
from .reading import read_embedding
from .regular_file import open_regular
from .sidecars import SIDECARS, about_own_sidecars, our_sidecars
from .twins import namesakes
from .writing import write_embedding

_COPY = re.compile(r"(.+)\.before-([0-9]{1,9})", re.DOTALL)


class Kept(NamedTuple):
    """A copy of a file that was replaced."""

    path: Path
    number: int
    """The newest copy of a file has the highest."""

    @property
    def original(self) -> Path:
        """The file that it was."""
        return self.path.with_name(self.path.name.removesuffix(_ending(self.number)))

    @property
    def told(self) -> str:
        """When it was replaced and how many steps it had, or why it cannot be read."""
        try:
            replaced = time.localtime(self.path.stat().st_mtime)
            steps = f"step {read_embedding(self.path).step}"
        except (FileError, OSError) as error:
            return str(error)
        return f"{steps}, replaced {time.strftime('%Y-%m-%d %H:%M', replaced)}"


@contextlib.contextmanager
def replacing(path: Path, most: int = KEPT, same_word: bool = False) -> Iterator[None]:
    """Within it a file is written as `path`; what was there is kept, at most `most` times.

    Our notes and preview of it go with it, so that they tell nothing of another word; of the
    `same_word` they stay as well. Nothing is kept where the file is the same afterwards, as after
    a write that failed. Raises FileError for what is not a regular file, StorageError.
    """
    if not path.exists():
        yield
        return
    kept, is_new = _copied(path)
    changed = False
    try:
        yield
        changed = not _equal(kept.path, path)
    finally:
        if is_new and not changed:
            kept.path.unlink()
    if changed:
        _keep_sidecars(kept, stay=same_word)
        _prune(path, most)


def replace_file(
    path: Path, write: Callable[[], object], most: int = KEPT, same_word: bool = False
) -> None:
    """Let `write` write a file as the only one of its name in the folder: others, in any letter
    case and format, become copies. Raises what it and `replacing` raise."""
    with replacing(path, most, same_word):
        write()
    for other in namesakes(path):
        put_aside(other, most)


def replace_embedding(
    path: Path,
    embedding: Embedding,
    most: int = KEPT,
    format: str = "safetensors",
    picture: Image.Image | None = None,
    same_word: bool = False,
) -> list[Notice]:
    """`replace_file` with an embedding, which `write_embedding` writes. Returns what is to be told
    of files of the user's own beside it."""
    is_new = not (path.exists() or namesakes(path))
    replace_file(path, lambda: write_embedding(path, embedding, format, picture), most, same_word)
    return [] if is_new or same_word else about_own_sidecars(path)


def put_aside(path: Path, most: int = KEPT) -> None:
    """Keep a file as a copy, and remove it. Raises as `replacing` does."""
    with replacing(path, most), storage_errors(path):
        path.unlink()


def copies_of(path: Path) -> list[Kept]:
    """The copies of a file, oldest first. Raises StorageError."""
    found = (_kept(path.with_name(name)) for name in names_in(path.parent))
    own = [kept for kept in found if kept and kept.original.name == path.name]
    return sorted(own, key=lambda kept: kept.number)


def copies_in(folders: Sequence[Path]) -> list[Kept]:
    """The copies of all embeddings in folders and their sub-folders, newest first."""
    below = [Path(folder.path) for folder in walk([str(folder) for folder in folders])]
    paths = [folder / name for folder in below for name in names_in(folder)]
    found = [kept for path in paths if (kept := _kept(path)) and _holds_embedding(kept.original)]
    return sorted(found, key=lambda kept: (-kept.path.stat().st_mtime, str(kept.path)))


def bring_back(path: Path, most: int = KEPT) -> Path:
    """Make a copy the file again that it was; returns its path. `path` is a copy, or a file of
    which the newest copy is meant.

    Embeddings that have its name now become copies themselves. Raises NotFoundError where there
    is not a copy, FileError and StorageError.
    """
    kept = _kept(path) or next(reversed(copies_of(path)), None)
    if kept is None or not kept.path.is_file():
        fix = "copies are made whenever an embedding is replaced"
        raise NotFoundError(f"there is no copy of {path.name}", f"{path.parent} contains none", fix)
    target = kept.original
    with replacing(target, most), storage_errors(target):
        os.replace(kept.path, target)
    for other in namesakes(target):
        put_aside(other, most)
    for ending in SIDECARS:
        beside = target.with_suffix(ending)
        mine = beside.with_name(beside.name + _ending(kept.number))
        if mine.is_file() and not beside.exists():
            with storage_errors(beside):
                os.replace(mine, beside)
    return target


def _ending(number: int) -> str:
    return f".before-{number}"


def _kept(path: Path) -> Kept | None:
    """A copy by its name; None for another file."""
    found = _COPY.fullmatch(path.name)
    return Kept(path, int(found[2])) if found else None


def _holds_embedding(path: Path) -> bool:
    return path.suffix[1:].lower() in EMBEDDINGS | CARDS and not path.stem.endswith(".preview")


def _copied(path: Path) -> tuple[Kept, bool]:
    """A copy of the file as it is, and whether it was made now: a kill may have left one."""
    newest = next(reversed(copies_of(path)), None)
    if newest and _equal(newest.path, path):
        return newest, False
    number = 1 + max(_numbers(path), default=0)
    kept = Kept(path.with_name(path.name + _ending(number)), number)
    with open_regular(path) as old:
        write_with(kept.path, lambda new: shutil.copyfileobj(old, new))
    return kept, True


def _numbers(path: Path) -> list[int]:
    """Of all copies of this name, whatever their ending: notes and previews are shared by them."""
    found = (_COPY.fullmatch(name) for name in names_in(path.parent))
    return [int(each[2]) for each in found if each and each[1].startswith(f"{path.stem}.")]


def _equal(one: Path, other: Path) -> bool:
    return other.is_file() and file_sha256(one) == file_sha256(other)


def _keep_sidecars(kept: Kept, stay: bool) -> None:
    for path in our_sidecars(kept.original):
        target = path.with_name(path.name + _ending(kept.number))
        with storage_errors(target):
            shutil.copyfile(path, target) if stay else os.replace(path, target)


def _prune(path: Path, most: int) -> None:
    for kept in copies_of(path)[: -most or None]:
        names = [path.name, *(path.with_suffix(ending).name for ending in SIDECARS)]
        for name in names:
            with storage_errors(kept.path):
                path.with_name(name + _ending(kept.number)).unlink(missing_ok=True)
