"""Cards of a run: previews that carry the embedding, as A1111 keeps them in `image_embeddings`."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from ..files.atomic import names_in, write_bytes
from ..files.card import card_bytes
from ..files.reading import read_embedding
from .run_folder import RunFolder

_STEP = re.compile(r".+-([0-9]{6,15})\.(?:png|safetensors)", re.DOTALL)


def save_card(folder: RunFolder, name: str, step: int) -> Path | None:
    """The first preview of a step with the newest copy inside; None where no preview is there, or
    no copy that is newer than the last card: A1111's rule.

    Raises EmbeddingError, FileError, StorageError, or OSError for an image that cannot be read.
    """
    picture, card = folder.image_path(name, step, 0), folder.card_path(name, step)
    copy = _newest(folder.path / "embeddings", step)
    if copy is None or not picture.exists():
        return None
    last = _newest(card.parent, step)
    if last and _step_of(last) >= _step_of(copy):
        return None
    with Image.open(picture) as opened:
        data = card_bytes(read_embedding(copy), opened.convert("RGB"))
    write_bytes(card, data)
    return card


def _newest(folder: Path, until: int) -> Path | None:
    """The file of the last step up to this one."""
    found = [folder / name for name in names_in(folder) if _STEP.fullmatch(name)]
    return max((path for path in found if _step_of(path) <= until), key=_step_of, default=None)


def _step_of(path: Path) -> int:
    match = _STEP.fullmatch(path.name)
    return int(match[1]) if match else -1
