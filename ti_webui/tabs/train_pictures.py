"""Images on Train: dropped, pasted or in a folder; seen at once, with captions to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.run import check_folder
from ti_core.data.caption_editor import CaptionEditor
from ti_core.data.config import DataConfig
from ti_core.data.pictures import list_images
from ti_core.errors import TIError
from ti_core.train.preflight import ASSUMED
from ti_core.train.presets import has_captions as all_have_captions

from .. import markup
from ..dropped import Dropped, Kept
from ..folder_choice import folders_like, recent_folders
from ..gradio_versions import Component, Input, Updates, component, gallery, html, on
from ..studio import Studio
from ..thumbnails import thumbnails

_SHOWN = 60
"""Thumbnails; the Data tab has all of them."""
_LOOKED_AT = 24
"""Images that are looked into at once; the checkup of a training looks at all."""
_OF_PICTURES = ("unreadable", "rotated", "near_duplicates", "too_small", "blurred", "not_looked_at")
"""Rules that speak of images, and not of a training."""


def has_captions(studio: Studio, folder: str) -> bool:
    """Whether every image of a folder has a caption file."""
    return all_have_captions(pictures_of(studio, folder))


def folder_summary(studio: Studio, folder: str) -> str:
    """How many images and captions there are."""
    try:
        if not folder or not studio.places().folder(folder).is_dir():
            return f"there is no folder {folder}" if folder else ""
    except TIError as error:
        return markup.with_labels(str(error))
    found = pictures_of(studio, folder)
    captions = sum(path.with_suffix(".txt").is_file() for path in found)
    return f"{len(found)} image(s), {captions} with a caption"


def pictures_of(studio: Studio, folder: str) -> list[Path]:
    """The images of a folder; none where it cannot be read."""
    try:
        return list_images(studio.places().folder(folder)) if folder else []
    except (TIError, OSError):
        return []  # reported by the checkup, with its reason


@dataclass
class Captions:
    """Versions of the captions that a page has shown, kept by gradio for each open page."""

    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    """By folder and image."""


@dataclass
class Pictures:
    """What is done with them."""

    studio: Studio

    def __post_init__(self) -> None:
        self.dropped = Dropped(self.studio)

    def show(self, folder: str, *size: float | None) -> Updates:
        """[what is in the folder, update of the gallery]; `size` is as `say` has it."""
        found = pictures_of(self.studio, folder)
        shown = thumbnails((path, path.name) for path in found[:_SHOWN])
        return [self.say(folder, *size), gr.update(value=shown, visible=bool(found))]

    def say(self, folder: str, *size: float | None) -> str:
        """What is in the folder, and what is wrong with it for a training at this width and height,
        of which 0 or none is the model's own."""
        found = pictures_of(self.studio, folder)
        said = markup.box("note", folder_summary(self.studio, folder))
        return said + (self._findings(found, size) if found else self.folders(folder))

    def take(
        self, files: Sequence[Any] | None, name: str | None, folder: str, *size: float | None
    ) -> Updates:
        """[update of the field for files, of the folder, what is in it, update of the gallery]"""
        paths = [Path(str(getattr(each, "name", each))) for each in files or ()]
        try:
            kept = self.dropped.keep(paths, (name or "").strip(), folder or "")
        except TIError as error:
            return [gr.update(value=None), gr.update(), markup.error_box(error), gr.update()]
        said, shown = self.show(str(kept.folder), *size)
        return [gr.update(value=None), gr.update(value=str(kept.folder)), _told(kept) + said, shown]

    def folders(self, folder: str) -> str:
        """Buttons that fill a folder in: those of the last runs, or those that begin as it does."""
        if not folder.strip():
            return markup.folders("Images of the last trainings", recent_folders(self.studio))
        return markup.folders("Folders", folders_like(self.studio, folder))

    def _findings(self, found: Sequence[Path], size: Sequence[float | None]) -> str:
        """What is wrong with the images themselves: turned by EXIF, twice there, blurred."""
        facts = self.studio.facts()
        own = facts.resolution if facts else ASSUMED.release().resolution
        width, height = [int(side or own) for side in size] or (own, own)
        data = DataConfig(str(found[0].parent))
        inputs = CheckupInput(data, size=(width, height), at_most=_LOOKED_AT)
        report = check_folder(inputs)
        return markup.findings([one for one in report.findings if one.rule in _OF_PICTURES])

    # -- captions --------------------------------------------------------------------------

    def choose(self, folder: str, seen: Captions, event: gr.SelectData) -> Updates:
        """[name of the image that was clicked, update of its caption, what to say, what is
        seen]"""
        place = event.index if isinstance(event.index, int) else event.index[0]
        found = pictures_of(self.studio, folder)
        if place >= len(found):
            return ["", gr.update(visible=False), gr.update(), seen]
        entry = CaptionEditor(found[place].parent).read(found[place].name)
        seen.versions[folder, entry.image.name] = entry.version
        field = gr.update(
            value=entry.text,
            label=entry.image.name,
            visible=True,
            interactive=not entry.problem,
        )
        said = markup.error_box(entry.problem) if entry.problem else gr.update()
        return [entry.image.name, field, said, seen]

    def write(self, folder: str, name: str, text: str, seen: Captions) -> str:
        """What to say: the caption is saved if it was changed."""
        version = seen.versions.get((folder, name))
        if version is None:
            return ""
        try:
            editor = CaptionEditor(self.studio.places().folder(folder))
            if editor.read(name).text == (text or ""):
                return ""
            written = editor.write(name, text or "", version)
        except TIError as error:
            return markup.error_box(error)
        seen.versions[folder, name] = written.version
        return markup.box("good", f"{written.file.name} is saved")


def _told(kept: Kept) -> str:
    said = f"{len(kept.new)} image(s) are in {kept.folder}"
    there = f"; {kept.there} were there already" if kept.there else ""
    refused = markup.box("warning", "not taken: " + "; ".join(kept.refused[:8]))
    return markup.box("good", said + there) + (refused if kept.refused else "")


class PicturesLayout:
    """The components."""

    def __init__(self, folder: gr.Textbox) -> None:
        self.folder = folder
        looks: dict[str, object] = {"height": 150}
        self.files = component(
            gr.File,
            label="Drop images, or paste with Ctrl+V",
            file_count="multiple",
            file_types=["image", ".txt"],
            elem_id="ti_dropped",
            **looks,
        )
        folder.render()
        self.about = html(elem_id="ti_folder_about")
        looks = {"visible": False, "allow_preview": False}
        self.gallery = gallery("Images", 6, "ti_train_pictures", **looks)
        self.which = gr.Textbox(visible=False)
        self.caption = component(
            gr.Textbox, label="Caption", visible=False, lines=2, elem_id="ti_train_caption"
        )
        self.said = html(elem_id="ti_train_caption_said")
        self.seen = gr.State(Captions())

    @property
    def outputs(self) -> list[Component]:
        """What `Pictures.show` returns updates for."""
        return [self.about, self.gallery]

    def bind(self, pictures: Pictures, name: Component, size: Sequence[Input]) -> None:
        """Bind them, for a training of that width and height; what follows a change of the folder
        is bound by Train."""
        taken = [self.files, self.folder, *self.outputs]
        on(self.files.upload, pictures.take, [self.files, name, self.folder, *size], taken)
        for side in size:
            on(side.change, pictures.say, [self.folder, *size], [self.about], quiet=True)
        chosen = [self.which, self.caption, self.said, self.seen]
        on(self.gallery.select, pictures.choose, [self.folder, self.seen], chosen, quiet=True)
        written = [self.folder, self.which, self.caption, self.seen]
        on(self.caption.blur, pictures.write, written, [self.said], quiet=True)
