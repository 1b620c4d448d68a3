"""AUTOMATIC1111's list of embeddings, kept current."""

from __future__ import annotations

from pathlib import Path

from modules import processing, sd_hijack

_CACHES = ("cached_c", "cached_uc", "cached_hr_c", "cached_hr_uc")


def refresh(path: Path) -> None:
    """Load a file that was written or replaced; one outside of the folders is ignored."""
    database = sd_hijack.model_hijack.embedding_db
    if not is_in_folders(path, list(database.embedding_dirs)):
        return
    if database.expected_shape == -1:
        database.expected_shape = database.get_expected_shape()
    database.load_from_file(str(path), path.name)
    forget_prompts()


def is_in_folders(path: Path, folders: list[str]) -> bool:
    """Whether a web UI looks there, in a folder or below it."""
    return any(path.resolve().is_relative_to(Path(folder).resolve()) for folder in folders)


def forget_prompts() -> None:
    """Drop the encoded prompts of the last picture.

    They are kept by their text; a word that means something else by now would not be noticed.
    """
    for name in dir(processing):
        kind = getattr(processing, name)
        if isinstance(kind, type):
            for cache in _CACHES:
                if cache in vars(kind):
                    setattr(kind, cache, [None, None])
