"""Small images of embeddings, without the metadata of the large ones."""

from __future__ import annotations

import io
import os
from functools import lru_cache
from pathlib import Path

from ..ti_core.data.pictures import open_picture

_SIDE = 192
"""Pixels of the longer side: twice what is shown, for fine screens."""
_MOST = 512
"""Kept in memory, some 5 kB each."""


def thumbnail(path: Path) -> bytes:
    """A WebP of an image. Raises DataError for what is none, OSError when it has gone."""
    return _made(str(path), os.stat(path).st_mtime_ns)


@lru_cache(maxsize=_MOST)
def _made(path: str, _time: int) -> bytes:
    image = open_picture(Path(path), _SIDE).image
    image.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return out.getvalue()
