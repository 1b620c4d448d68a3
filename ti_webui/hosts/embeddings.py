"""The list of embeddings of AUTOMATIC1111 and reForge, kept current."""

from __future__ import annotations

from pathlib import Path

from modules import sd_hijack

from .prompt_cache import forget_prompts, is_in_folders


def refresh(path: Path) -> None:
    """Load a file that was written or replaced; one outside of the folders is ignored."""
    database = sd_hijack.model_hijack.embedding_db
    if not is_in_folders(path, list(database.embedding_dirs)):
        return
    if database.expected_shape == -1:
        database.expected_shape = database.get_expected_shape()
    database.load_from_file(str(path), path.name)
    forget_prompts()
