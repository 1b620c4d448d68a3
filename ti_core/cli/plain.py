"""Text of strangers and of errors, made fit for a terminal."""

from __future__ import annotations

from functools import cache

from ..data.preprocess.config import PreprocessConfig
from ..options import setting_names, with_names
from ..train.config import TrainConfig
from .collection import CollectionConfig
from .standalone import ModelConfig


def plain(text: str, keep: str = "") -> str:
    """The text with everything that could steer a terminal, or that cannot be printed, escaped;
    the characters in `keep` stay."""
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def said(text: str, keep: str = "") -> str:
    """The text of an error, notice or finding, with settings as options are typed."""
    return plain(with_names(text, _flags()), keep)


@cache
def _flags() -> dict[str, str]:
    kinds = (TrainConfig, PreprocessConfig, ModelConfig, CollectionConfig)
    return setting_names(lambda name, _: f"--{name}", *kinds)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
