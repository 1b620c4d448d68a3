"""Forge's lists of embeddings, kept current: one in each text encoder, one for the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modules import shared

from ..prompt_cache import forget_prompts, is_in_folders
from .model import TEXT_ENGINES

if TYPE_CHECKING:
    from backend.diffusion_engine.base import ForgeDiffusionEngine
    from backend.text_processing.textual_inversion import EmbeddingDatabase

_PAGE = "modules.ui_extra_networks_textual_inversion"


def refresh(model: ForgeDiffusionEngine, path: Path) -> None:
    """Load a file that was written or replaced; one outside of the folder is ignored.

    Forge itself looks into the folder only when it loads a checkpoint.
    """
    if not is_in_folders(path, [shared.cmd_opts.embeddings_dir]):
        return
    for database in _databases(model):
        database.load_from_file(str(path), path.name)
    forget_prompts()


def _databases(model: ForgeDiffusionEngine) -> Iterator[EmbeddingDatabase]:
    engines = (getattr(model, name, None) for name in TEXT_ENGINES)
    yield from (engine.embeddings for engine in engines if engine is not None)
    if _PAGE in sys.modules:
        yield sys.modules[_PAGE].embedding_db
