"""The two folders: what is in the source, and that nothing is ever written there."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

from ...errors import ConfigError
from ...files.atomic import unfinished
from ..captions import FALLBACK

_CAPTIONS = (".txt", FALLBACK)
_OURS = re.compile(r"\d{5,}-\d+-.*", re.DOTALL)
"""How the names of images and captions begin; see names.py."""
_STILL_BEING_WRITTEN_SECONDS = 60.0


def sweep(folder: Path) -> int:
    """Remove what a run that was killed left half-written, and tell how many files that were.

    Files that are younger than a minute stay: another run may be writing them.
    """
    left = [path for path in _inside(folder) if _OURS.fullmatch(unfinished(path.name))]
    swept = 0
    for path in left:
        with contextlib.suppress(OSError):  # another run was quicker
            if time.time() - path.lstat().st_mtime > _STILL_BEING_WRITTEN_SECONDS:
                path.unlink()
                swept += 1
    return swept


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # not there; or nothing can be written into it, which tells itself
        return []


def captions_among(found: list[Path]) -> set[Path]:
    """Those entries that are captions of others, and so are nothing to be skipped."""
    others = {path.stem for path in found if path.suffix.lower() not in _CAPTIONS}
    return {p for p in found if p.suffix.lower() in _CAPTIONS and p.stem in others}


def require_apart(source: Path, folder: Path) -> None:
    """Raise ConfigError when a file written into `folder` would be in the source folder: they are
    the same, or one is inside the other, by whatever links and names."""
    try:
        real = folder.resolve()
        inside = any(part.exists() and part.samefile(source) for part in (real, *real.parents))
    except (OSError, RuntimeError) as error:  # links in a circle
        what = f"cannot use the folder {folder}"
        raise ConfigError(what, str(error), "choose another folder") from error
    if inside:
        raise ConfigError(
            f"{folder} is inside the source folder {source}",
            "the source is never written to",
            "choose a destination outside of it",
        )
