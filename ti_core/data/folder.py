"""A folder of images with the settings that they share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..events import Notice
from .config import DataConfig


@dataclass(frozen=True)
class Subset:
    """Images that share their settings; kohya calls it a subset."""

    path: Path
    config: DataConfig
    """The settings for this folder."""
    repeats: int = 1
    """How often each image comes in an epoch."""
    words: str = ""
    """They stand for captions that are missing (kohya's class tokens)."""
    regular: bool = False
    """Regularization images: trained on without the new word."""
    weight: float = 1.0
    """What the loss of its images is multiplied by."""
    batch_size: int | None = None
    """Images in one pass, where that is not the run's."""
    origin: str = ""
    """The setting, or the key of a file, that named the folder."""
    dataset: int = 0
    """Regularization images are counted against the training images of the same dataset."""


@dataclass(frozen=True)
class Folders:
    """All folders of a dataset, and what is to be said about them."""

    folders: tuple[Subset, ...]
    notices: tuple[Notice, ...] = ()


def with_caption_lines(config: DataConfig, first_line: bool) -> DataConfig:
    """With `caption_lines` decided where it is "auto"."""
    if config.caption_lines != "auto":
        return config
    return dataclasses.replace(config, caption_lines="first" if first_line else "all")


def require_training(folders: Folders, source: str) -> None:
    """Raise ConfigError when no folder is found, or all are regularization folders."""
    if all(folder.regular for folder in folders.folders):
        why = "all are regularization folders" if folders.folders else "it has no subsets"
        fix = "add [[datasets.subsets]] with an image_dir"
        raise ConfigError(f"{source} names no folder to train on", why, fix)
