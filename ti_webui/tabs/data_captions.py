"""Captions: a gallery, the words of one image at a time, find and replace, and undo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import gradio as gr

from ti_core.data.caption_editor import CaptionEditor, CaptionEntry, Change
from ti_core.errors import DataError, TIError

from .. import markup, tables
from ..gradio_versions import Component, Updates, component, gallery, on
from ..markup import escape
from ..places import Places
from ..studio import Studio
from ..thumbnails import thumbnails

_SHOWN = 200
"""Images of the gallery; the others are reached with Next."""
_CHANGES = 50
"""Of a search that are shown; all of them are counted and made."""


@dataclass(frozen=True)
class Desk:
    """What lies before one user: kept by gradio for each open page."""

    editor: CaptionEditor
    names: tuple[str, ...]
    """File names of the images."""
    place: int = 0
    version: str = ""
    """Of the caption that is shown."""
    changes: tuple[Change, ...] = ()
    """What a search has found, to be made or not."""


State = Desk | None
P = ParamSpec("P")


def open_desk(places: Places, folder: str) -> Desk:
    """A folder's captions. Raises DataError when there are no images, and what `Places.folder`
    raises."""
    if not (folder or "").strip():
        raise DataError("there is no dataset directory", "", "name the folder with the images")
    editor = CaptionEditor(places.folder(folder))
    return Desk(editor, tuple(entry.image.name for entry in editor.entries()))


def turn_to(desk: Desk, place: int) -> tuple[Desk, CaptionEntry]:
    """Another image, or the same one read again; before the first comes the last."""
    place %= len(desk.names)
    entry = desk.editor.read(desk.names[place])
    return replace(desk, place=place, version=entry.version), entry


def _shows_errors(
    press: Callable[Concatenate[CaptionsPage, Desk, P], Updates],
) -> Callable[Concatenate[CaptionsPage, State, P], Updates]:
    """What a button does with an open desk, and what is shown when that is not possible."""

    @wraps(press)
    def handler(page: CaptionsPage, desk: State, /, *args: P.args, **kwargs: P.kwargs) -> Updates:
        try:
            if desk is None:
                raise DataError("no captions are open", "", "press Open the captions")
            return press(page, desk, *args, **kwargs)
        except TIError as error:
            return page.trouble(desk, error)

    return handler


class CaptionsPage:
    """The components, and what the buttons do."""

    def __init__(self, studio: Studio, folder: gr.Textbox) -> None:
        self.studio, self.folder = studio, folder
        self.desk = gr.State(None)
        self.open = gr.Button("Open the captions", elem_id="ti_caption_open")
        with component(gr.Row, equal_height=False):
            with gr.Column(scale=4, min_width=320):
                looks = {"height": 520, "allow_preview": False}
                self.gallery = gallery("Images", 4, "ti_caption_gallery", **looks)
            with gr.Column(scale=5, min_width=320):
                self._editor()
                self._search()

    def _editor(self) -> None:
        self.where = gr.HTML("", elem_id="ti_caption_where")
        self.text = component(
            gr.Textbox,
            label="Caption",
            lines=4,
            info="[name] stands for the new word. Ctrl+Enter saves, Alt+← and Alt+→ turn pages",
            elem_id="ti_caption_text",
        )
        with gr.Row():
            self.previous = gr.Button("Previous", elem_id="ti_caption_previous", min_width=60)
            self.save = gr.Button(
                "Save", variant="primary", elem_id="ti_caption_save", min_width=60
            )
            self.next = gr.Button("Next", elem_id="ti_caption_next", min_width=60)
            self.undo = gr.Button(
                "Undo", interactive=False, elem_id="ti_caption_undo", min_width=60
            )
        self.message = gr.HTML("", elem_id="ti_caption_message")

    def _search(self) -> None:
        with gr.Accordion("Find and replace", open=False):
            with gr.Row():
                self.find = gr.Textbox(label="Find", max_lines=1, elem_id="ti_caption_find")
                self.by = gr.Textbox(label="Replace by", max_lines=1, elem_id="ti_caption_by")
            with gr.Row():
                self.regex = gr.Checkbox(False, label="Regular expression")
                self.case = gr.Checkbox(True, label="Match case")
            with gr.Row():
                self.search = gr.Button("Show the changes", elem_id="ti_caption_search")
                self.apply = gr.Button(
                    "Apply the changes", interactive=False, elem_id="ti_caption_apply"
                )
            self.changes = gr.HTML("", elem_id="ti_caption_changes")

    # --- what is shown ------------------------------------------------------------------------

    @property
    def outputs(self) -> list[Component]:
        """What every handler returns updates for."""
        shown = [self.where, self.text, self.undo, self.message, self.changes, self.apply]
        return [self.desk, *shown]

    def show(self, desk: Desk, place: int, said: str = "", changes: str = "") -> Updates:
        """All of the page but the gallery."""
        desk, entry = turn_to(desk, place)
        return [
            desk,
            gr.update(value=position(desk, entry)),
            gr.update(value=entry.text, interactive=not entry.problem),
            gr.update(interactive=desk.editor.undo_levels > 0),
            gr.update(value=said),
            gr.update(value=changes),
            gr.update(interactive=bool(desk.changes)),
        ]

    def trouble(self, desk: State, error: TIError) -> Updates:
        """What is on the page stays, with the words that may not be saved yet."""
        rest = [gr.update() for _ in self.outputs[1:]]
        rest[3] = gr.update(value=markup.error_box(error))
        return [desk, *rest]

    # --- buttons ------------------------------------------------------------------------------

    def press_open(self, folder: str) -> Updates:
        """Read the folder: also an update of the gallery."""
        try:
            desk = open_desk(self.studio.places(), folder)
            pictures = thumbnails((desk.editor.folder / n, n) for n in desk.names[:_SHOWN])
            return [*self.show(desk, 0), gr.update(value=pictures)]
        except TIError as error:
            return [*self.trouble(None, error), gr.update(value=[])]

    @_shows_errors
    def press_turn(self, desk: Desk, text: str, by: int) -> Updates:
        """Another image, or with 0 the same; words that were not saved are saved first."""
        desk, said = self._saved(desk, text, asked=by == 0)
        return self.show(desk, desk.place + by, said)

    @_shows_errors
    def press_select(self, desk: Desk, text: str, event: gr.SelectData) -> Updates:
        """An image of the gallery was clicked."""
        desk, said = self._saved(desk, text)
        place = event.index if isinstance(event.index, int) else event.index[0]
        return self.show(desk, place, said)

    @_shows_errors
    def press_undo(self, desk: Desk) -> Updates:
        """Take the last step back."""
        said = markup.box("note", f"put back: {_named(desk.editor.undo())}")
        return self.show(replace(desk, changes=()), desk.place, said)

    @_shows_errors
    def press_search(self, desk: Desk, find: str, by: str, regex: bool, case: bool) -> Updates:
        """What a replacement would change; nothing is written."""
        found = desk.editor.preview(find, by, regex, case)
        return self.show(replace(desk, changes=(*found,)), desk.place, "", changes_html(found))

    @_shows_errors
    def press_apply(self, desk: Desk) -> Updates:
        """Make the changes that were shown."""
        count = desk.editor.apply(desk.changes)
        said = markup.box("good", f"{count} caption(s) changed; Undo takes all of them back")
        return self.show(replace(desk, changes=()), desk.place, said)

    def _saved(self, desk: Desk, text: str, asked: bool = False) -> tuple[Desk, str]:
        """Write the caption if it was changed; when that was asked for, also if it has no file."""
        name = desk.names[desk.place]
        entry = desk.editor.read(name)
        same = (text or "") == entry.text and (entry.from_file or not asked)
        if entry.problem or same:
            return desk, ""
        written = desk.editor.write(name, text or "", desk.version)
        said = markup.box("good", f"{written.file.name} is saved")
        return replace(desk, version=written.version, changes=()), said


def _named(files: Sequence[Path]) -> str:
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(path.name for path in files[:3]) + more


def position(desk: Desk, entry: CaptionEntry) -> str:
    """Which image it is, and where its words come from."""
    kind = "from " + entry.file.name if entry.from_file else "from the file name; not saved yet"
    number = f"{desk.place + 1} of {len(desk.names)}"
    head = f'<div class="ti-head"><b>{escape(entry.image.name)}</b><span>{number}</span></div>'
    return head + tables.fine(kind) + markup.error_box(entry.problem)


def changes_html(changes: Sequence[Change]) -> str:
    """Captions before and after."""
    if not changes:
        return markup.box("note", "nothing is found in the caption files")
    hits = sum(change.hits for change in changes)
    head = markup.box("hint", f"{hits} place(s) in {len(changes)} caption(s) would change")
    more = len(changes) - _CHANGES
    rest = tables.fine(f"… and {more} more") if more > 0 else ""
    return head + "".join(_change(change) for change in changes[:_CHANGES]) + rest


def _change(change: Change) -> str:
    return (
        f'<div class="ti-change"><b>{escape(change.file.name)}</b>'
        f"<del>{escape(change.before)}</del><ins>{escape(change.after)}</ins></div>"
    )


def build(studio: Studio, folder: gr.Textbox) -> None:
    """Fill its part of the tab."""
    page = CaptionsPage(studio, folder)
    on(page.open.click, page.press_open, [folder], [*page.outputs, page.gallery])
    written = [page.desk, page.text]
    for button, by in ((page.previous, -1), (page.save, 0), (page.next, 1)):

        def turn(desk: State, text: str, by: int = by) -> Updates:
            return page.press_turn(desk, text, by)

        on(button.click, turn, written, page.outputs, quiet=True)
    on(page.gallery.select, page.press_select, written, page.outputs, quiet=True)
    on(page.undo.click, page.press_undo, [page.desk], page.outputs, quiet=True)
    asked = [page.desk, page.find, page.by, page.regex, page.case]
    on(page.search.click, page.press_search, asked, page.outputs, quiet=True)
    on(page.apply.click, page.press_apply, [page.desk], page.outputs, quiet=True)
