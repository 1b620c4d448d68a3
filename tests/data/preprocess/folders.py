"""Folders with pictures, and what preprocessing makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.data.preprocess.events import Finished, PictureDone, Skipped
from ti_core.data.preprocess.job import preprocess
from ti_core.events import Event, Notice

E = TypeVar("E", bound=Event)


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards, both by the pixel's place in a 256th."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    values = np.stack([red, green, np.full_like(red, 128)], axis=2)
    return Image.fromarray(values.round().astype(np.uint8))


def put(path: Path, image: Image.Image | None = None, **how: Any) -> Path:
    """Save a picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or gradient(96, 64)).save(path, **how)
    return path


def loaded(path: Path) -> Image.Image:
    """A picture as it is in its file, which is closed again."""
    with Image.open(path) as image:
        image.load()
        return image


class Run:
    """`preprocess` from tmp/in to tmp/out, and everything it told."""

    def __init__(self, tmp: Path, config: PreprocessConfig | None = None, **how: Any) -> None:
        self.source, self.out = tmp / "in", tmp / "out"
        self.events: list[Event] = []
        small = config or PreprocessConfig(width=64, height=64)
        self.finished: Finished = preprocess(
            self.source, self.out, small, self.events.append, **how
        )

    def names(self) -> list[str]:
        """Everything in the destination."""
        return sorted(path.name for path in self.out.iterdir())

    def all(self, kind: type[E]) -> list[E]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def reasons(self) -> dict[str, str]:
        """Why sources were skipped."""
        return {e.source.name: e.reason for e in self.events if isinstance(e, Skipped)}

    @property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """What was said about pictures."""
        return {e.source.name: e.notes for e in self.events if isinstance(e, PictureDone)}

    @property
    def notices(self) -> list[str]:
        """What was said about the whole."""
        return [str(e) for e in self.events if isinstance(e, Notice)]

    def words(self, name: str) -> str:
        """A caption that was written."""
        return (self.out / name).read_text(encoding="utf-8")
