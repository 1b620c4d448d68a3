"""Pictures and their captions on the disk, each whole or not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from PIL import Image, ImageOps

from ...files.atomic import write_bytes, write_with
from ..pictures import MASK
from .captions import Describer, combine_captions, existing_caption
from .config import CaptionConfig
from .names import caption_stem, output_stem
from .treatments import Made

DEBUG_FOLDER = "focal points"
"""Inside the destination: pictures in folders are not trained on."""


@dataclass(frozen=True)
class Writer:
    """Writes what was made of the pictures of a folder."""

    destination: Path
    config: CaptionConfig
    flip: bool
    """A mirrored copy follows each picture."""
    describe: Describer | None

    def write(self, index: int, source: Path, made: Iterable[Made]) -> Iterator[Path]:
        """Write everything made of one source, and tell the path of each picture when it is there.

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
                yield self._write(index, subindex, source, image, existing, mask)
                subindex += 1

    def _write(
        self,
        index: int,
        subindex: int,
        source: Path,
        image: Image.Image,
        existing: str,
        mask: Image.Image | None,
    ) -> Path:
        """Caption and mask first: a picture that is there has its words and its mask."""
        new = self.describe(image, source) if self.describe else ""
        caption = combine_captions(new, existing, self.config.existing_caption)
        ending = f"{MASK}.png" if mask else ".png"
        if caption and self.config.caption_in_name:
            stem = caption_stem(self.destination, index, subindex, caption, ending)
        else:
            stem = output_stem(self.destination, index, subindex, source.stem, ending)
            if caption:
                write_bytes(self.destination / f"{stem}.txt", caption.encode("utf-8"))
        path = self.destination / f"{stem}.png"
        if mask:
            write_png(path.with_stem(f"{stem}{MASK}"), mask)
        write_png(path, image)
        return path


def _copies(image: Image.Image, flip: bool) -> Iterator[Image.Image]:
    yield image
    if flip:
        yield ImageOps.mirror(image)


def write_png(path: Path, image: Image.Image) -> None:
    """An RGB picture as PNG, with its colour profile, and without what the camera noted (such as
    the place). Raises StorageError."""
    profile = image.info.get("icc_profile") or b""
    kept = profile if profile[16:20] == b"RGB " else None  # one for print fits no RGB picture
    write_with(path, lambda file: image.save(file, "PNG", icc_profile=kept))
