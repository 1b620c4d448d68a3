"""Every picture looked at once; the rules work on what is kept here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from ..data.buckets import Frame, frame_of
from ..data.captions import Caption
from ..data.dataset import caption_of, full_caption, template_name
from ..data.folder import Subset
from ..data.folders import folders_of
from ..data.pictures import Box, list_images, open_picture, seen_box
from ..data.templates import read_template
from ..errors import DataError
from ..files.regular_file import open_regular
from .aim import CheckupInput
from .measures import SIDE, Values, is_blurred

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""(pictures done, pictures in all)"""

_ORIENTATION = 0x0112
"""EXIF's tag for how the camera was held; 1 is upright."""
_TILE = 128
_CENTRES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
"""Where sharpness is looked for, as shares of width and height."""


@dataclass(frozen=True)
class Picture:
    """What is remembered of one picture."""

    path: Path
    size: tuple[int, int]
    """Width and height, upright."""
    turned: bool
    """Its EXIF tag turns or mirrors it."""
    scale: float
    """What training multiplies its size by; above 1 it is enlarged."""
    blurred: bool | None
    """No fine detail at training size; None where that cannot be judged."""
    caption: Caption | None
    """None where the caption file cannot be read; all that training adds to it is there."""
    frame: Frame
    """The size it is brought to."""
    lines: tuple[str, ...] = ()
    """The template lines of its folder."""


@dataclass(frozen=True)
class Survey:
    """A folder as it was found."""

    folders: tuple[Path, ...]
    pictures: tuple[Picture, ...]
    small: Values
    """(n, 32, 32, 3) bytes: the part of each picture that training sees."""
    unreadable: tuple[tuple[Path, DataError], ...]
    """Pictures that cannot be opened."""
    wordless: tuple[tuple[Path, DataError], ...]
    """Pictures whose captions cannot be read."""
    template_error: DataError | None = None
    """Why a template cannot be read."""
    left_out: int = 0
    """Pictures that were not looked at, because there are many."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The template lines that training would use; ("[filewords]",) takes captions as they
        are."""
        return tuple(dict.fromkeys(line for picture in self.pictures for line in picture.lines))

    @property
    def uses_captions(self) -> bool:
        """Whether captions, or else file words, come into the prompts."""
        return any("[filewords]" in line for line in self.lines)

    def names(self, indices: Iterable[int]) -> tuple[str, ...]:
        """File names of pictures by their numbers."""
        return tuple(self.pictures[i].path.name for i in indices)

    def which(self, fits: Callable[[Picture], object]) -> tuple[str, ...]:
        """File names of the pictures for which `fits` is true."""
        return tuple(picture.path.name for picture in self.pictures if fits(picture))


def look(aim: CheckupInput, progress: Progress | None = None) -> Survey:
    """Look at the pictures to train on, at some of them where the aim says so.

    Raises DataError when there are none, ConfigError for a dataset file that is wrong.
    """
    folders = [folder for folder in folders_of(aim.data).folders if not folder.regular]
    paths = [(path, folder) for folder in folders for path in list_images(folder.path)]
    chosen = _spread(paths, aim.at_most)
    notes = _Notes([], [], [], [])
    for done, (path, folder) in enumerate(chosen, 1):
        _note(path, folder, aim, notes)
        if progress:
            progress(done, len(chosen))
    pictures, problem = _with_templates(notes.pictures, aim)
    return Survey(
        tuple(folder.path for folder in folders),
        tuple(pictures),
        np.stack(notes.smalls) if notes.smalls else np.empty((0, SIDE, SIDE, 3), np.uint8),
        tuple(notes.unreadable),
        tuple(notes.wordless),
        problem,
        len(paths) - len(chosen),
    )


class _Notes(NamedTuple):
    """What has been seen so far."""

    pictures: list[tuple[Picture, Subset]]
    smalls: list[Values]
    unreadable: list[tuple[Path, DataError]]
    wordless: list[tuple[Path, DataError]]


def _spread(paths: list[T], most: int) -> list[T]:
    """As many as are to be looked at, from everywhere among them."""
    if not most or len(paths) <= most:
        return paths
    return [paths[i * len(paths) // most] for i in range(most)]


def _note(path: Path, folder: Subset, aim: CheckupInput, notes: _Notes) -> None:
    try:
        picture, small = _look_at(path, folder, aim, notes.wordless)
    except DataError as error:
        notes.unreadable.append((path, error))
        return
    notes.pictures.append((picture, folder))
    notes.smalls.append(small)


def _look_at(
    path: Path, folder: Subset, aim: CheckupInput, wordless: list[tuple[Path, DataError]]
) -> tuple[Picture, Values]:
    resolution = folder.config.resolution or aim.size
    own = folder.config.sizes.enable_bucket or folder.config.sizes.varsize
    image = open_picture(path, 0 if own else max(resolution)).image
    size, turned = _head(path)
    frame = frame_of(size, folder.config, resolution)
    seen, target = seen_box(image.size, *frame), (frame.width, frame.height)
    scale = _scale(size, frame)
    blurred = is_blurred(_tiles(image, seen, target)) if scale <= 1 else None
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=seen, reducing_gap=2)
    try:
        caption = caption_of(path, folder)
    except DataError as error:
        wordless.append((path, error))
        caption = None
    return Picture(path, size, turned, scale, blurred, caption, frame), np.asarray(small)


def _head(path: Path) -> tuple[tuple[int, int], bool]:
    """(upright width and height, whether EXIF turns it), from the head of the file alone: a PNG
    that does not say it there would be decoded once more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_regular(path) as file, Image.open(file) as image:
            said = image.format != "PNG" or "exif" in image.info
            orientation = image.getexif().get(_ORIENTATION, 1) if said else 1
            size = image.size[::-1] if orientation in (5, 6, 7, 8) else image.size
            return (size[0], size[1]), orientation in range(2, 9)


def _scale(size: tuple[int, int], frame: Frame) -> float:
    if frame.resized:
        return frame.resized[0] / size[0]
    ratios = frame.width / size[0], frame.height / size[1]
    return min(ratios) if frame.mode == "pad" else max(ratios)


def _tiles(image: Image.Image, seen: Box, size: tuple[int, int]) -> Iterator[Values]:
    """Parts of the picture at training size, in grey; made only as long as they are asked for."""
    side = min(_TILE, *size)
    wide, high = (seen[2] - seen[0]) / size[0], (seen[3] - seen[1]) / size[1]
    for x, y in _CENTRES:
        left = seen[0] + (size[0] - side) * x * wide
        top = seen[1] + (size[1] - side) * y * high
        box = (left, top, left + side * wide, top + side * high)
        tile = image.resize((side, side), Image.Resampling.LANCZOS, box=box).convert("L")
        yield np.asarray(tile, dtype=np.float32)


def _with_templates(
    found: list[tuple[Picture, Subset]], aim: CheckupInput
) -> tuple[list[Picture], DataError | None]:
    """Each picture with the lines and the caption that `load_dataset` would give it."""
    lines: dict[Path, tuple[str, ...]] = {}
    problem = None
    for folder in dict.fromkeys(folder for _, folder in found):
        captions = [p.caption for p, owner in found if owner == folder and p.caption]
        try:
            lines[folder.path] = _template(folder, aim.name, captions)
        except DataError as error:
            lines[folder.path], problem = (), error
    return [_told(picture, folder, lines[folder.path], aim) for picture, folder in found], problem


def _template(folder: Subset, name: str, captions: list[Caption]) -> tuple[str, ...]:
    chosen = template_name(folder.config, name, captions)
    return ("[filewords]",) if chosen == "captions" else tuple(read_template(chosen))


def _told(picture: Picture, folder: Subset, lines: tuple[str, ...], aim: CheckupInput) -> Picture:
    if picture.caption is None:
        return replace(picture, lines=lines)
    tags = folder.config.tags
    if not aim.name or lines != ("[filewords]",):  # other lines name the word themselves
        tags = replace(tags, insert_trigger=False)
    text = full_caption(picture.caption.text, tags, aim.name)
    return replace(picture, caption=replace(picture.caption, text=text), lines=lines)
