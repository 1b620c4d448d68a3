"""Images that were dropped on a page: datasets of the program, named after their embeddings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ti_core.data.picture_formats import ENDINGS
from ti_core.data.pictures import pictures_in, upright_size
from ti_core.errors import DataError, TIError
from ti_core.files.atomic import make_folder, storage_errors, write_new
from ti_core.files.names import fitting_name
from ti_core.files.regular_file import read_bytes
from ti_core.files.roots import is_within

from .studio import Studio

HOME = "datasets"
"""In the log directory."""
UNNAMED = "new images"
"""A dataset whose embedding has no name yet."""
MOST_BYTES = 200 * 2**20
"""Of one image."""
_CAPTION = ".txt"


@dataclass
class Kept:
    """What became of the files that were dropped."""

    folder: Path
    new: list[str] = field(default_factory=list)
    """Names of the images as they are called there."""
    there: int = 0
    """Images that were in the folder already, byte for byte."""
    refused: list[str] = field(default_factory=list)
    """Why others were not taken."""


@dataclass(frozen=True)
class Dropped:
    """The datasets below the log directory."""

    studio: Studio

    def home(self) -> Path:
        """Where they are. Raises ForbiddenError where the page may not write."""
        settings = self.studio.settings()
        return self.studio.places().within(settings.logging_dir, "logging_dir") / HOME

    def is_own(self, folder: str) -> bool:
        """Whether a folder is one of these datasets."""
        try:
            path = self.studio.places().within(folder) if (folder or "").strip() else None
            return path is not None and path != self.home() and is_within(path, [self.home()])
        except TIError:
            return False

    def keep(self, files: Sequence[Path], name: str, folder: str) -> Kept:
        """Copy images, and the captions beside them, into the dataset `folder` if it is one of
        ours, else into a new one. Raises ForbiddenError, StorageError."""
        target = Path(folder).absolute() if self.is_own(folder) else self._free(name or UNNAMED)
        kept = Kept(target)
        captions = {path.stem: path for path in files if path.suffix.lower() == _CAPTION}
        make_folder(target)
        for path in files:
            if path.suffix.lower() != _CAPTION:
                self._take(path, captions.get(path.stem), kept)
        return kept

    @contextmanager
    def named_after(self, folder: str, name: str) -> Iterator[str]:
        """A dataset without a name gets that of its embedding; where what follows goes wrong, it
        is called as before."""
        path = Path(folder or "").absolute()
        if not (self.is_own(folder) and path.name.startswith(UNNAMED) and name):
            yield folder
            return
        named = self._free(name)
        with storage_errors(named):
            path.rename(named)
        try:
            yield str(named)
        except BaseException:
            named.rename(path)
            raise

    def _free(self, name: str) -> Path:
        stem, home, number = fitting_name(name), self.home(), 2
        path = home / stem
        while path.exists():
            path, number = home / f"{stem}-{number}", number + 1
        return path

    def _take(self, path: Path, caption: Path | None, kept: Kept) -> None:
        try:
            _require_picture(path)
        except DataError as error:
            kept.refused.append(f"{path.name}: {error.why or error.what}")
            return
        data = read_bytes(path, MOST_BYTES)
        if _is_there(data, kept.folder):
            kept.there += 1
            return
        stem = fitting_name(path.stem)
        number = 2
        while not write_new(kept.folder / f"{stem}{path.suffix.lower()}", data):
            stem, number = f"{fitting_name(path.stem)}-{number}", number + 1
        kept.new.append(f"{stem}{path.suffix.lower()}")
        if caption and self.studio.places().datasets is None:
            # elsewhere a page may name any file of this machine as one that was dropped
            shutil.copyfile(caption, kept.folder / f"{stem}{_CAPTION}")


def _require_picture(path: Path) -> None:
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path.name} is not an image", "it is not an image")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path.name} is too large", f"it has more than {MOST_BYTES >> 20} MB")
    upright_size(path)


def _is_there(data: bytes, folder: Path) -> bool:
    others = (path for path in pictures_in(folder) if path.stat().st_size == len(data))
    return any(read_bytes(path, len(data)) == data for path in others)
