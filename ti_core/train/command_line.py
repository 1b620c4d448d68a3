"""A run as the line that `ti train` takes, so that what was clicked together can be repeated."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..options import leaves
from .config import TrainConfig

_DASHES = "--"


def command_line(config: TrainConfig, model: str = "") -> str:
    """`ti train …` with every setting that is not at its default, quoted for a POSIX shell or
    PowerShell; `model` is a checkpoint's name or path."""
    words = ["ti", "train", *(_option("pretrained_model_name_or_path", model) if model else ())]
    for path, item in leaves(TrainConfig):
        value: object = config
        for name in path:
            value = getattr(value, name)
        if value != item.default:
            words += _option(item.name, value)
    return shlex.join(words)


def _option(name: str, value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield _DASHES + (name if value else f"no_{name}")
    elif isinstance(value, tuple):
        yield from _several(_DASHES + name, value)
    elif value is not None:
        is_like_one = str(value).startswith("-")
        yield from (f"{_DASHES}{name}={value}",) if is_like_one else (_DASHES + name, str(value))


def _several(name: str, values: tuple[object, ...]) -> Iterator[str]:
    """Numbers are one word with commas, texts a word each."""
    if values and all(isinstance(value, int) for value in values):
        yield from (name, ",".join(map(str, values)))
    elif values:
        yield from (name, *map(str, values))
