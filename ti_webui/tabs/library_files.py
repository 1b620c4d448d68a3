"""The files of the embedding that is chosen in Library: name, notes, image, bin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr
from PIL import Image

from ti_core.data.pictures import open_picture
from ti_core.errors import ConfigError, EmbeddingError, FileError, TIError
from ti_core.files.label import Label
from ti_core.files.labelling import set_preview
from ti_core.options import SettingValues
from ti_core.train.again import settings_of

from .. import markup
from ..collection import Collection
from ..embeddings import embeddings_update
from ..gradio_versions import Component, Updates, gallery, html, on, text_line
from ..job_view import errors_first
from ..library_files import (
    delete_embedding,
    label_embedding,
    label_of,
    pictures_of,
    rename_embedding,
    undelete,
)
from ..studio import Studio
from ..thumbnails import thumbnails

_MOST_PICTURES = 60
_ENOUGH = 768
"""Pixels of a side, of a preview that is made of a run's image."""


class FilesPage:
    """What the buttons do. The first update of each is what to say."""

    def __init__(self, studio: Studio, collection: Collection) -> None:
        self.studio, self.collection = studio, collection

    def press_choose(self, label: str) -> Updates:
        """Updates of the fields and of the question, for the embedding that is chosen."""
        entry = self.collection.find(label)
        noted = label_of(entry)
        texts = [noted.description, noted.notes, noted.trigger, noted.license]
        return [entry.name, *texts, *_asked(False), gr.update(value=[], visible=False)]

    def press_rename(self, label: str, name: str) -> Updates:
        """[what to say, the label it has now, update of the chosen, of Train's dropdown]"""
        entry = self.collection.find(label)
        renamed = rename_embedding(self.studio, entry, (name or "").strip())
        said = markup.box("good", f"{entry.name} is called {renamed.path.stem} now")
        stem = renamed.path.stem
        return [said + markup.notices(renamed.notices), stem, *self._lists(stem)]

    def press_ask(self, label: str) -> Updates:
        """[what to say, updates of the question and its buttons]"""
        entry = self.collection.find(label)
        asked = f"Move {entry.name} and all its files to the bin? Undo delete brings them back."
        return ["", gr.update(value=markup.box("warning", asked), visible=True), *_asked(True)[1:]]

    def press_delete(self, label: str) -> Updates:
        """[what to say, update of the chosen, of Train's dropdown, of the question's parts]"""
        gone = delete_embedding(self.studio, self.collection.find(label))
        said = markup.box("good", f"{gone.path.name} is in the bin; Undo delete brings it back")
        return [said, *self._lists(None), *_asked(False)]

    def press_undo(self) -> Updates:
        """[what to say, update of the chosen, of Train's dropdown]: the newest comes back."""
        path = undelete(self.studio)
        said = markup.box("good", f"{path.name} is back, with all its files")
        return [said, *self._lists(path.stem)]

    def press_note(self, label: str, *texts: str) -> str:
        """Write the notes; what to say."""
        entry = self.collection.find(label)
        label_embedding(entry, Label(*(text or "" for text in texts)))
        return markup.box("good", f"noted in {entry.path.stem}.json")

    def press_pictures(self, label: str) -> Updates:
        """[what to say, update of the gallery]"""
        entry = self.collection.find(label)
        found = pictures_of(self.studio, entry.name)[:_MOST_PICTURES]
        said = "choose one" if found else f"no run of {entry.name} has made previews"
        shown = thumbnails((path, path.stem) for path in found)
        return [markup.box("note", said), gr.update(value=shown, visible=bool(found))]

    def press_picture(self, label: str, event: gr.SelectData) -> str:
        """An image was clicked: it becomes the preview. What to say."""
        try:
            place = event.index if isinstance(event.index, int) else event.index[0]
            return self._use_picture(label, place)
        except TIError as error:  # gradio looks at the signature: no wrapper can be around it
            return markup.error_box(error)

    def _use_picture(self, label: str, place: int) -> str:
        entry = self.collection.find(label)
        found = pictures_of(self.studio, entry.name)[:_MOST_PICTURES]
        if not 0 <= place < len(found):
            raise ConfigError("that image is not there any more", "", "show them again")
        with Image.open(found[place]) as picture:
            parameters = str(picture.info.get("parameters", ""))
        keep = self.studio.settings().keep_replaced
        shown = set_preview(entry.path, open_picture(found[place], _ENOUGH).image, parameters, keep)
        return markup.box("good", f"{shown.name} is this image now")

    def press_further(self, label: str) -> tuple[str, SettingValues]:
        """(what to say, settings for Train): to train this embedding further."""
        entry, embedding = self.collection.find(label), self.collection.read(label)
        try:
            settings = settings_of(embedding)
        except EmbeddingError:
            settings = {}
        more = int(settings.get("max_train_steps", 0)) or _STEPS
        settings |= {"token_string": entry.name, "max_train_steps": entry.step + more}
        said = (
            f"Train continues {entry.name} at step {entry.step}. Enter its Dataset directory there"
        )
        return markup.box("good", said), settings

    def _lists(self, chosen: str | None) -> Updates:
        self.collection.refresh()
        labels = list(self.collection.entries)
        value = next((label for label in labels if label == chosen), None)
        return [gr.update(choices=labels, value=value), embeddings_update(self.studio)]


_STEPS = 1000
"""More steps for an embedding whose file tells of none."""


def _asked(visible: bool) -> Updates:
    """Updates of the question and its two buttons."""
    return [gr.update(visible=visible)] * 3


def build(studio: Studio, collection: Collection, chosen: gr.Dropdown, further: gr.Button) -> None:
    """Fill a column; `further` is a button that is there."""
    page = FilesPage(studio, collection)
    answer = html(elem_id="ti_library_files_answer")
    trained = [studio.shared.embedding] if studio.shared else []
    lists = [answer, chosen, *trained]
    filled = gr.State("")  # whose texts the fields show
    with gr.Accordion("Rename and delete", open=False):
        name, *question = _rename_and_delete(page, chosen, lists, filled)
    with gr.Accordion("Notes", open=False):
        notes = _notes(page, chosen, answer)
    with gr.Accordion("Preview image", open=False):
        shown = _preview(page, chosen, answer)
    fields = [name, *notes, *question, shown]
    choose = _once(_or_nothing(page.press_choose, len(fields)), len(fields))
    on(chosen.change, choose, [chosen, filled], [filled, *fields], quiet=True)
    if studio.shared:
        studio.shared.later.append(lambda: _bind_further(page, further, chosen, answer))


def _rename_and_delete(
    page: FilesPage, chosen: gr.Dropdown, lists: Sequence[Component], filled: gr.State
) -> list[Component]:
    """[the new name, the question before a file is deleted, its two buttons]"""
    count = len(lists)
    name = text_line("Name in prompts", "ti_library_rename_to", info="all its files are renamed")
    with gr.Row():
        rename = gr.Button("Rename", elem_id="ti_library_rename", min_width=100)
        ask = gr.Button("Delete", elem_id="ti_library_delete", min_width=100)
        undo = gr.Button("Undo delete", elem_id="ti_library_undo", min_width=100)
    question = html(visible=False)
    with gr.Row():
        delete = gr.Button("Move to the bin", visible=False, elem_id="ti_library_bin")
        keep = gr.Button("Keep it", visible=False, elem_id="ti_library_keep")
    asked: list[Component] = [question, delete, keep]
    renamed = [lists[0], filled, *lists[1:]]
    on(rename.click, errors_first(page.press_rename, count + 1), [chosen, name], renamed)
    on(ask.click, errors_first(page.press_ask, 4), [chosen], [lists[0], *asked])
    on(delete.click, errors_first(page.press_delete, count + 3), [chosen], [*lists, *asked])
    on(keep.click, lambda: _asked(False), [], asked)
    on(undo.click, errors_first(page.press_undo, count), [], lists)
    return [name, *asked]


def _notes(page: FilesPage, chosen: gr.Dropdown, answer: gr.HTML) -> list[Component]:
    fields: list[Component] = [
        text_line("Description", "ti_library_description", info="shown on its card"),
        gr.Textbox(label="Notes", lines=3, elem_id="ti_library_notes"),
        text_line("Activation text", "ti_library_trigger", info="what to write in a prompt"),
        text_line("License", "ti_library_license"),
    ]
    button = gr.Button("Save notes", elem_id="ti_library_note")
    on(button.click, markup.with_error_box(page.press_note), [chosen, *fields], [answer])
    return fields


def _preview(page: FilesPage, chosen: gr.Dropdown, answer: gr.HTML) -> Component:
    button = gr.Button("Show previews of its runs", elem_id="ti_library_pictures")
    shown = gallery("Previews", 4, "ti_library_previews", allow_preview=False, visible=False)
    on(button.click, errors_first(page.press_pictures, 2), [chosen], [answer, shown])
    on(shown.select, page.press_picture, [chosen], [answer])
    return shown


def _or_nothing(press: Callable[[str], Updates], count: int) -> Callable[[str], Updates]:
    """Nothing is chosen, or its notes cannot be read: the fields are empty."""

    def choose(label: str) -> Updates:
        try:
            return press(label)
        except FileError:
            return [""] * (count - 4) + [gr.update(visible=False)] * 4

    return choose


def _once(choose: Callable[[str], Updates], count: int) -> Callable[[str, str], Updates]:
    """A renamed embedding is still the chosen one: what is being typed in its fields stays."""

    def chosen(label: str, filled: str) -> Updates:
        if label and label == filled:
            return [filled, *[gr.update()] * count]
        return [label, *choose(label)]

    return chosen


def _bind_further(page: FilesPage, button: gr.Button, chosen: gr.Dropdown, answer: gr.HTML) -> None:
    """Its outputs are the fields of Train."""
    form = page.studio.shared.form if page.studio.shared else None
    if form is None:
        return

    def press(label: str) -> Updates:
        told, settings = page.press_further(label)
        return [told, *form.updates(settings)]

    outputs = [answer, *form.inputs]
    on(button.click, errors_first(press, len(outputs)), [chosen], outputs)
