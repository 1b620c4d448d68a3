"""Images and their captions on the disk, each whole or not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, repeat
from pathlib import Path

from PIL import Image, ImageOps

from ...errors import DataError, FileError
from ...files.atomic import write_bytes, write_with
from ...files.regular_file import read_bytes
from ...files.text_file import MOST_BYTES
from ..pictures import MASK
from .captions import Describer, combine_captions, existing_caption
from .config import CaptionConfig
from .names import caption_stem, output_stem
from .treatments import Made

DEBUG_FOLDER = "focal points"
"""Inside the destination: images in folders are not trained on."""
REPLACED_FOLDER = "replaced captions"
"""There, too: captions that were changed by hand, perhaps, before others took their places."""


@dataclass(frozen=True)
class Writer:
    """Writes what was made of the images of a folder."""

    destination: Path
    config: CaptionConfig
    flip: bool
    """A mirrored copy follows each image."""
    describe: Describer | None

    def write(
        self, index: int, source: Path, made: Iterable[Made], note: Callable[[str], None]
    ) -> Iterator[Path]:
        """Write everything made of one source, and tell the path of each image when it is there;
        `note` is told of captions that were there and are others now.

        Raises DataError when the source's own caption is not text, StorageError when the
        destination cannot be written to.
        """
        existing = existing_caption(source, self.config.existing_caption)
        subindex = 0
        for one in made:
            if one.debug:  # named like the crop before it
                last = subindex - 1 - self.flip
                stem = output_stem(self.destination / DEBUG_FOLDER, index, last, source.stem)
                write_png(self.destination / DEBUG_FOLDER / f"{stem}.png", one.image)
                continue
            copies = _copies(one.image, self.flip)
            masks = _copies(one.mask, self.flip) if one.mask else repeat(None)
            for image, mask in zip(copies, masks):  # noqa: B905 - repeat() has no end
                yield self._write(index, subindex, source, image, existing, mask, note)
                subindex += 1

    def _write(
        self,
        index: int,
        subindex: int,
        source: Path,
        image: Image.Image,
        existing: str,
        mask: Image.Image | None,
        note: Callable[[str], None],
    ) -> Path:
        """Caption and mask first: an image that is there has its words and its mask."""
        new = self.describe(image, source) if self.describe else ""
        caption = combine_captions(new, existing, self.config.existing_caption)
        ending = f"{MASK}.png" if mask else ".png"
        if caption and self.config.caption_in_name:
            stem = caption_stem(self.destination, index, subindex, caption, ending)
        else:
            stem = output_stem(self.destination, index, subindex, source.stem, ending)
            if caption:
                self._write_caption(self.destination / f"{stem}.txt", caption.encode(), note)
        path = self.destination / f"{stem}.png"
        if mask:
            write_png(path.with_stem(f"{stem}{MASK}"), mask)
        write_png(path, image)
        return path

    def _write_caption(self, path: Path, data: bytes, note: Callable[[str], None]) -> None:
        """Another caption that is there is somebody's work: it is kept aside."""
        old = _content(path)
        if old is not None and old != data:
            aside = _free(self.destination / REPLACED_FOLDER / path.name)
            write_bytes(aside, old)
            note(f"the caption that was there is in {REPLACED_FOLDER}/{aside.name} now")
        write_bytes(path, data)


def _content(path: Path) -> bytes | None:
    """Of a file that can be a caption; None where there is none."""
    try:
        return read_bytes(path, MOST_BYTES)
    except FileError as error:
        if os.path.lexists(path):
            raise DataError("its caption is not written", error.why, f"remove {path}") from error
        return None


def _free(path: Path) -> Path:
    """The path, or one with a number where there is a file already."""
    numbered = (path.with_stem(f"{path.stem} {number}") for number in count(2))
    return next(each for each in chain((path,), numbered) if not os.path.lexists(each))


def _copies(image: Image.Image, flip: bool) -> Iterator[Image.Image]:
    yield image
    if flip:
        yield ImageOps.mirror(image)


def write_png(path: Path, image: Image.Image) -> None:
    """An RGB image as PNG, with its colour profile, and without what the camera noted (such as
    the place). Raises StorageError."""
    profile = image.info.get("icc_profile") or b""
    kept = profile if profile[16:20] == b"RGB " else None  # one for print fits no RGB picture
    write_with(path, lambda file: image.save(file, "PNG", icc_profile=kept))
