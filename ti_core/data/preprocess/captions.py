"""The caption of an image that was made: a new one, the one beside its source, or both."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from os.path import isfile
from pathlib import Path

from PIL import Image

from ...errors import ConfigError, setting
from ..captions import caption_file, caption_text
from .config import CaptionConfig, ExistingCaption

Describer = Callable[[Image.Image, Path], str]
"""(RGB image, the file that it was made of) → words, or "" when there are none"""

_SHORTEST_WITH_SPACES = 4
"""Shorter tags are faces drawn with signs: `^_^`, `o_o`."""


def describer(config: CaptionConfig) -> Describer | None:
    """What describes images by these settings, or None when nothing does.

    Raises ConfigError when a folder is missing, HostError when the model cannot be loaded.
    """
    found: list[Describer] = []
    if config.blip_model:
        from .captioning import blip

        found.append(blip(config))
    if config.tags_dir:
        found.append(tagger(config))
    return _all_of(found) if found else None


def _all_of(describers: Sequence[Describer]) -> Describer:
    """Both: `blip, tags`, as in A1111."""
    return lambda image, source: ", ".join(
        words for words in (describe(image, source) for describe in describers) if words
    )


def tagger(config: CaptionConfig) -> Describer:
    """Reads the tags that another program has put into `tags_dir`, one .txt for each image.

    Raises ConfigError when there is no such folder; the describer, DataError for a file that is
    not text.
    """
    folder = Path(config.tags_dir)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", "", f"check {setting('tags_dir')}")

    def describe(image: Image.Image, source: Path) -> str:
        path = folder / f"{source.stem}.txt"
        return tidy_tags(caption_text(path), config) if isfile(path) else ""

    return describe


def tidy_tags(text: str, config: CaptionConfig) -> str:
    """Tags separated by commas, spelled as the settings say; empty ones vanish."""
    tags = [" ".join(tag.split()) for tag in text.split(",")]
    tags = [tag for tag in tags if tag]
    if config.tags_sort:
        tags.sort()
    if config.tags_use_spaces:
        tags = [t.replace("_", " ") if len(t) >= _SHORTEST_WITH_SPACES else t for t in tags]
    if config.tags_escape:
        tags = [re.sub(r"([\\()])", r"\\\1", tag) for tag in tags]
    return ", ".join(tags)


def existing_caption(source: Path, action: ExistingCaption) -> str:
    """The caption beside a source image, "" when there is none or it is to be ignored.

    Raises DataError for a file that is not text.
    """
    if action == "ignore":
        return ""
    path = caption_file(source)
    return caption_text(path) if isfile(path) else ""


def combine_captions(new: str, existing: str, action: ExistingCaption) -> str:
    """A1111's "Existing Caption txt Action" (never "auto"): the two joined by a space, or one of
    them. To copy where nothing exists keeps the new one."""
    if not existing or action == "ignore":
        return new.strip()
    parts = {"prepend": (existing, new), "append": (new, existing), "copy": (existing,)}[action]
    return " ".join(part.strip() for part in parts if part.strip())
