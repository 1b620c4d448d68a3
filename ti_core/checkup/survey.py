"""Every image looked at once; the rules work on what is kept here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.buckets import Frame
from ..data.captions import Caption, caption_file
from ..data.dataset import Dataset, SkippedPicture, Source, full_caption
from ..data.item import Item
from ..data.pictures import Box, open_alpha, seen_box
from ..errors import CaptionError, DataError, FileError
from ..files.text_file import mark_of
from .inputs import CheckupInput
from .measures import SIDE, Values, is_blurred

Progress = Callable[[int, int], None]
"""(images done, images in all)"""

_TILE = 128
_CENTRES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
"""Where sharpness is looked for, as shares of width and height."""


@dataclass(frozen=True)
class Picture:
    """What is remembered of one image."""

    path: Path
    size: tuple[int, int]
    """Width and height, upright."""
    turned: bool
    """Its EXIF tag turns or mirrors it."""
    scale: float
    """What training multiplies its size by; above 1 it is enlarged."""
    blurred: bool | None
    """No fine detail at training size; None where that cannot be judged."""
    caption: Caption
    """With all that training adds to it."""
    frame: Frame
    """The size it is brought to."""
    lines: tuple[str, ...] = ()
    """The template lines of its folder."""
    unseen: float = 0.0
    """The share of it that is transparent, where that is learned as white."""
    mark: str = ""
    """The encoding that a mark at the start of its caption file tells of."""


@dataclass(frozen=True)
class Survey:
    """A folder as it was found."""

    folders: tuple[Path, ...]
    pictures: tuple[Picture, ...]
    small: Values
    """(n, 32, 32, 3) bytes: the part of each image that training sees."""
    unreadable: tuple[SkippedPicture, ...]
    """Images that cannot be opened."""
    wordless: tuple[SkippedPicture, ...]
    """Images whose captions cannot be read."""
    template_error: DataError | None = None
    """Why a template cannot be read."""
    left_out: int = 0
    """Images that were not looked at, because there are many."""

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
        """File names of images by their numbers."""
        return tuple(self.pictures[i].path.name for i in indices)

    def which(self, fits: Callable[[Picture], object]) -> tuple[str, ...]:
        """File names of the images for which `fits` is true."""
        return tuple(picture.path.name for picture in self.pictures if fits(picture))


def look(dataset: Dataset, inputs: CheckupInput, progress: Progress | None = None) -> Survey:
    """Look at the images to train on, at some of them where the inputs say so."""
    training = [i for i in range(len(dataset.items)) if not dataset.source(i).folder.regular]
    chosen = _spread(training, inputs.at_most)
    seen: list[tuple[Picture, Values]] = []
    skipped = list(dataset.skipped)
    for done, index in enumerate(chosen, 1):
        try:
            seen.append(_looked_at(dataset.items[index], dataset.source(index), inputs))
        except DataError as error:
            skipped.append(SkippedPicture(dataset.items[index].path, error))
        if progress:
            progress(done, len(chosen))
    errors = [source.error for source in dataset.sources if source.error]
    return Survey(
        tuple(folder.path for folder in dataset.folders if not folder.regular),
        tuple(picture for picture, _ in seen),
        np.stack([small for _, small in seen]) if seen else np.empty((0, SIDE, SIDE, 3), np.uint8),
        tuple(each for each in skipped if not isinstance(each.error, CaptionError)),
        tuple(each for each in skipped if isinstance(each.error, CaptionError)),
        errors[0] if errors else None,
        len(training) - len(chosen),
    )


def _spread(numbers: list[int], most: int) -> list[int]:
    """As many as are to be looked at, from everywhere among them."""
    if not most or len(numbers) <= most:
        return numbers
    return [numbers[i * len(numbers) // most] for i in range(most)]


def _looked_at(item: Item, source: Source, inputs: CheckupInput) -> tuple[Picture, Values]:
    opened, frame = item.opened(max(item.size.target)), item.frame
    image, seen = opened.image, seen_box(opened.image.size, *frame)
    size = item.size.original[1], item.size.original[0]
    scale = _scale(size, frame)
    tiles = _tiles(image, seen, (frame.width, frame.height))
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=seen, reducing_gap=2)
    picture = Picture(
        item.path,
        size,
        opened.turned,
        scale,
        is_blurred(tiles) if scale <= 1 else None,
        _complete(item.caption, source, inputs),
        frame,
        source.template,
        _unseen(item),
        _mark(item, source),
    )
    return picture, np.asarray(small)


def _unseen(item: Item) -> float:
    """Where the alpha is a mask, nothing is learned as white."""
    alpha = open_alpha(item.path) if item.mask is None else None
    return 0.0 if alpha is None else 1 - float(np.asarray(alpha).mean()) / 255


def _mark(item: Item, source: Source) -> str:
    if not item.caption.from_file:
        return ""
    try:
        return mark_of(caption_file(item.path, source.folder.config.caption_extension))
    except FileError:
        return ""  # it was there a moment ago, when it was read


def _complete(caption: Caption, source: Source, inputs: CheckupInput) -> Caption:
    """The caption with all that training adds to it."""
    tags = source.folder.config.tags
    if not inputs.name or source.template != (
        "[filewords]",
    ):  # other lines name the word themselves
        tags = replace(tags, insert_trigger=False)
    return replace(caption, text=full_caption(caption.text, tags, inputs.name))


def _scale(size: tuple[int, int], frame: Frame) -> float:
    if frame.resized:
        return frame.resized[0] / size[0]
    ratios = frame.width / size[0], frame.height / size[1]
    return min(ratios) if frame.mode == "pad" else max(ratios)


def _tiles(image: Image.Image, seen: Box, size: tuple[int, int]) -> Iterator[Values]:
    """Parts of the image at training size, in grey; made only as long as they are asked for."""
    side = min(_TILE, *size)
    wide, high = (seen[2] - seen[0]) / size[0], (seen[3] - seen[1]) / size[1]
    for x, y in _CENTRES:
        left = seen[0] + (size[0] - side) * x * wide
        top = seen[1] + (size[1] - side) * y * high
        box = (left, top, left + side * wide, top + side * high)
        tile = image.resize((side, side), Image.Resampling.LANCZOS, box=box).convert("L")
        yield np.asarray(tile, dtype=np.float32)
