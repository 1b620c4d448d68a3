"""Every picture looked at once; the rules work on what is kept here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import DataError
from ...files.regular_file import open_regular
from ..captions import Caption, read_caption
from ..config import DataConfig
from ..dataset import template_name
from ..pictures import Box, cover_box, list_images, open_picture
from ..templates import read_template
from .aim import Aim
from .measures import SIDE, Values, is_blurred

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
    """None where the caption file cannot be read."""


@dataclass(frozen=True)
class Survey:
    """A folder as it was found."""

    folder: Path
    pictures: tuple[Picture, ...]
    small: Values
    """(n, 32, 32, 3) bytes: the part of each picture that training sees."""
    unreadable: tuple[tuple[Path, DataError], ...]
    """Pictures that cannot be opened."""
    wordless: tuple[tuple[Path, DataError], ...]
    """Pictures whose captions cannot be read."""
    lines: tuple[str, ...]
    """The template lines that training would use; ("[filewords]",) takes captions as they are."""
    template: str
    template_error: DataError | None = None

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


def look(aim: Aim, progress: Progress | None = None) -> Survey:
    """Look at every picture of the folder. Raises DataError when it has none."""
    folder = Path(aim.data.train_data_dir)
    pictures: list[Picture] = []
    smalls: list[Values] = []
    unreadable: list[tuple[Path, DataError]] = []
    wordless: list[tuple[Path, DataError]] = []
    paths = list_images(folder)
    for done, path in enumerate(paths, 1):
        try:
            picture, small = _look_at(path, aim, wordless)
            pictures.append(picture)
            smalls.append(small)
        except DataError as error:
            unreadable.append((path, error))
        if progress:
            progress(done, len(paths))
    lines, name, problem = _template(aim, [p.caption for p in pictures if p.caption])
    return Survey(
        folder,
        tuple(pictures),
        np.stack(smalls) if smalls else np.empty((0, SIDE, SIDE, 3), np.uint8),
        tuple(unreadable),
        tuple(wordless),
        lines,
        name,
        problem,
    )


def _look_at(
    path: Path, aim: Aim, wordless: list[tuple[Path, DataError]]
) -> tuple[Picture, Values]:
    image = open_picture(path, max(aim.size)).image
    size, turned = _head(path)
    seen = _seen_part(image.size, aim)
    scale = _scale(size, aim)
    blurred = is_blurred(_tiles(image, seen, aim.size)) if scale <= 1 else None
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=seen, reducing_gap=2)
    try:
        caption = _caption(path, aim.data)
    except DataError as error:
        wordless.append((path, error))
        caption = None
    picture = Picture(path, size, turned, scale, blurred, caption)
    return picture, np.asarray(small)


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


def _caption(path: Path, data: DataConfig) -> Caption:
    return read_caption(
        path, data.caption_extension, data.filename_word_regex, data.filename_join_string
    )


def _seen_part(size: tuple[int, int], aim: Aim) -> Box:
    if aim.data.resize_mode == "cover":
        return cover_box(size, *aim.size)
    return (0.0, 0.0, float(size[0]), float(size[1]))


def _scale(size: tuple[int, int], aim: Aim) -> float:
    ratios = aim.size[0] / size[0], aim.size[1] / size[1]
    return min(ratios) if aim.data.resize_mode == "pad" else max(ratios)


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


def _template(aim: Aim, captions: list[Caption]) -> tuple[tuple[str, ...], str, DataError | None]:
    """What `load_dataset` would do with these captions."""
    name = template_name(aim.data, aim.name, captions)
    if name == "captions":
        return ("[filewords]",), name, None
    try:
        return tuple(read_template(name)), name, None
    except DataError as error:
        return (), name, error
