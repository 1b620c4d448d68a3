"""What lies beside a finished embedding, for the galleries of web UIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from ..errors import StorageError
from ..events import Notice
from ..files.embedding import Embedding
from ..files.sidecars import kept_notice, write_notes, write_preview


def write_sidecars(
    path: Path, embedding: Embedding | None, preview: Path | None
) -> Iterator[Notice]:
    """Write `<stem>.json` if there is an embedding to describe, and `<stem>.preview.png` if there
    is a preview, a PNG of ours.

    The user's own files are kept, with a notice. A failure is a notice too: the embedding itself
    is there.
    """
    if embedding is not None:
        yield from _try(path.with_suffix(".json"), lambda: write_notes(path, embedding))
    if preview is not None:
        yield from _try(path.with_suffix(".preview.png"), lambda: _copy_preview(path, preview))


def _copy_preview(path: Path, preview: Path) -> bool:
    with Image.open(preview) as picture:
        picture.load()
        return write_preview(path, picture, str(picture.info.get("parameters", "")))


def _try(target: Path, write: Callable[[], bool]) -> Iterator[Notice]:
    try:
        if not write():
            yield Notice("info", *kept_notice(target))
    except (StorageError, OSError) as error:
        yield Notice("warning", f"{target.name} was not written", str(error))
