"""The work: every image of a folder, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from ...errors import DataError, setting
from ...events import Listener, Notice, notice_of
from ...files.atomic import make_folder, unfinished
from ..captions import caption_file
from ..pictures import list_folder, masks_among, open_mask, open_picture
from .captions import Describer, describer
from .config import CaptionConfig, PreprocessConfig
from .events import Finished, PictureDone, Skipped, Started
from .faces import FaceFinder, NoFaceFinderError, opencv_faces
from .names import printable_name
from .places import captions_among, require_apart, sweep
from .treatments import treat
from .writer import DEBUG_FOLDER, REPLACED_FOLDER, Writer


def preprocess(
    source: Path,
    destination: Path,
    config: PreprocessConfig | None = None,
    on_event: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    describe: Describer | None = None,
    find_faces: FaceFinder | None = None,
) -> Finished:
    """Make images to train on in `destination` of those that lie directly in `source`.

    `should_stop` is asked before every image. `describe` and `find_faces` are what a host may
    have for these; without them the settings and OpenCV decide. Every file is whole or not there,
    and a caption is written before its image: whenever the power goes, each image there is
    complete and has its words. The source is never written to; images and masks of the same names
    in the destination are replaced, and captions that differ are moved into a folder there.

    Raises ConfigError when the destination is in the source, DataError when the source cannot
    be read, HostError when the caption model cannot be loaded, StorageError when the destination
    cannot be written to. An image that cannot be used raises nothing: it is `Skipped`.
    """
    config, start = config or PreprocessConfig(), time.monotonic()
    found = _checked(source, destination)
    describe = describe or describer(config.captions)
    captions = config.captions.decided(describe is not None)
    left = _left_behind(found, captions)
    make_folder(destination)
    for notice in (*_swept(destination), *_notices(destination, config), *left):
        on_event(notice)
    if config.focal_point.focal_crop and find_faces is None:
        find_faces = _opencv(config, on_event)
    masks = masks_among(found)
    own = _own(found, masks)
    on_event(Started(source, destination, len(own)))
    job = _Job(config, Writer(destination, captions, config.flip, describe), find_faces)
    reason = job.run(own, masks, on_event, should_stop)
    seconds = time.monotonic() - start
    finished = Finished(reason, job.pictures, job.written, job.skipped, seconds)
    on_event(finished)
    return finished


class _Job:
    """One image at a time, and what became of them."""

    def __init__(
        self, config: PreprocessConfig, writer: Writer, find_faces: FaceFinder | None
    ) -> None:
        self.config, self.writer, self.find_faces = config, writer, find_faces
        self.pictures = self.written = self.skipped = 0

    def run(
        self,
        entries: list[tuple[int, Path]],
        masks: Mapping[str, Path],
        on_event: Listener,
        should_stop: Callable[[], bool],
    ) -> Literal["done", "stopped"]:
        """Everything, or until it is to stop."""
        for index, path in entries:
            if should_stop():
                return "stopped"
            on_event(self._one(index, path, masks.get(path.stem)))
        return "done"

    def _one(self, index: int, path: Path, mask: Path | None) -> PictureDone | Skipped:
        try:
            done = self._picture(index, path, mask)
        except DataError as error:
            self.skipped += 1
            return Skipped(
                index, path, "; ".join(filter(None, (error.why or error.what, error.fix)))
            )
        self.pictures += 1
        self.written += len(done.written)
        return done

    def _picture(self, index: int, path: Path, mask: Path | None) -> PictureDone:
        if unfinished(path.name):
            raise DataError("nothing is made of it", "a run that was killed left it half-written")
        opened = open_picture(path, exact=self.config.keep_original_size)
        notes = list(opened.notes)
        over = open_mask(mask).resize(opened.image.size) if mask else None
        made = treat(opened.image, self.config, self.find_faces, notes.append, over)
        written = tuple(self.writer.write(index, path, made, notes.append))
        if not written:
            raise DataError("nothing was made of it", "; ".join(notes))
        return PictureDone(index, path, written, tuple(notes))


def _own(found: list[Path], masks: Mapping[str, Path]) -> list[tuple[int, Path]]:
    """What stands for itself, with its place in the folder: neither captions nor masks."""
    beside = captions_among(found) | set(masks.values())
    return [(index, path) for index, path in enumerate(found) if path not in beside]


def _checked(source: Path, destination: Path) -> list[Path]:
    """The entries of the source, once it is sure that nothing is written there."""
    found = list_folder(source, "check the source")
    for folder in (destination, destination / DEBUG_FOLDER, destination / REPLACED_FOLDER):
        require_apart(source, folder)
    return found


def _swept(destination: Path) -> Iterator[Notice]:
    count = sweep(destination) + sweep(destination / DEBUG_FOLDER)
    if count:
        what = f"{count} half-written files of a run that was killed are removed"
        yield Notice("info", what, "", "its whole images are still there")


def _left_behind(found: list[Path], config: CaptionConfig) -> Iterator[Notice]:
    """Captions in the source that go nowhere."""
    there = captions_among(found)
    used = {caption_file(path) for path in found if path not in there}
    ignored = config.existing_caption == "ignore"
    left = sorted(there if ignored else there - used)
    if left:
        what = f"{len(left)} caption file(s) are left behind ({printable_name(left[0].name)})"
        why = "new captions are made" if ignored else "their images have another one"
        fix = f"choose copy, prepend or append for {setting('existing_caption')} to keep them"
        yield Notice("warning", what, why, fix if ignored else "")


def _notices(destination: Path, config: PreprocessConfig) -> Iterator[Notice]:
    if any(destination.iterdir()):
        yield Notice(
            "warning",
            f"{destination} is not empty",
            "what is in it would be trained on together with the new images; images and masks "
            "of the same names are replaced",
            "choose an empty folder unless you want that",
        )
    if config.flip:
        yield Notice(
            "info",
            "mirrored copies are written",
            "they teach that left and right do not matter, which is wrong for a parting, a tattoo, "
            "writing or a badge",
        )


def _opencv(config: PreprocessConfig, on_event: Listener) -> FaceFinder | None:
    if not config.focal_point.focal_crop_face_weight:
        return None
    try:
        return opencv_faces()
    except NoFaceFinderError as error:
        why = f"{error.why}; the upper part of upright images counts in their place"
        on_event(notice_of(NoFaceFinderError(error.what, why, error.fix)))
        return None
