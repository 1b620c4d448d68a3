"""What A1111 and Forge keep of the last image's prompts."""

from __future__ import annotations

from pathlib import Path

from modules import processing

_CACHES = ("cached_c", "cached_uc", "cached_hr_c", "cached_hr_uc")


def is_in_folders(path: Path, folders: list[str]) -> bool:
    """Whether a web UI looks there, in a folder or below it."""
    return any(path.resolve().is_relative_to(Path(folder).resolve()) for folder in folders)


def forget_prompts() -> None:
    """Drop the encoded prompts of the last image.

    They are kept by their text; a word that means something else by now would not be noticed.
    """
    for name in dir(processing):
        kind = getattr(processing, name)
        if isinstance(kind, type):
            for cache in _CACHES:
                if cache in vars(kind):
                    setattr(kind, cache, [None] * len(vars(kind)[cache]))
