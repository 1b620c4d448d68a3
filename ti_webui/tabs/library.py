"""Library: all embeddings, what is in them, and others made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr
from PIL import Image

from ti_core.data.pictures import open_image
from ti_core.errors import ConfigError, DataError
from ti_core.files.base_model import other_base
from ti_core.files.embedding import Embedding, for_encoders, long_for_prompts
from ti_core.files.formats import A1111_TRAINS, FORMATS
from ti_core.files.labelling import with_license
from ti_core.files.library_entry import Entry
from ti_core.files.names import alike, fitting_name
from ti_core.options import SettingValues
from ti_core.port.session import Host, Session
from ti_core.prompts.used import known_of, words_of
from ti_core.tools.making import convert, merge, without_tables
from ti_core.tools.nearest import about_words, nearest_tokens
from ti_core.tools.rescaling import rescaled
from ti_core.tools.sources import Sources
from ti_core.tools.strength import factor_of_brackets, strength_of

from .. import markup, tables
from ..asking import ask, factors_to_strength, usual_lengths
from ..collection import Collection
from ..details import file_html, strength_html, words_html
from ..embeddings import embeddings_update, misfit
from ..gradio_versions import Component, Updates, component, gallery, on, text_line
from ..job_view import Press, errors_first
from ..library_files import deleted, undelete
from ..restoring import replaced, restore
from ..saving import save_new
from ..sending import build_sending, word_to_send
from ..studio import Studio
from ..thumbnails import thumbnails
from ..training import train_again
from . import library_files

_MOST_SHOWN = 120
_WAYS = _BY_STRENGTH, _BY_FACTOR, _BY_BRACKETS = "Target strength", "Factor", "Number of [ ]"
_NAME, _DATE, _STEPS, _STRENGTH, _FAMILY = "Name", "Date", "Steps", "Strength", "Family"
_ORDERS = [_NAME, _DATE, _STEPS, _STRENGTH, _FAMILY]
_ALL, _FITTING, _OTHERS = "All", "For this model", "For other models"
_FORMATS = {f"{key}: {about.description}": key for key, about in FORMATS.items()}
"""What is shown → format: in gradio 3.41 a dropdown has no values behind its entries."""
_HEAD = ("name", "for", "vectors", "steps", "strength", "made on", "file")
_EXPRESSIONS = (
    "'words' of the model in quotes, embeddings by name: 'cat' * 0.7 + my-style; "
    "my-style - 'cat'; 'a red', my-cat (one behind the other); <my style> for a name with spaces"
)


class LibraryPage:
    """What the buttons do."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.collection = studio, Collection(studio)

    def look(
        self, seen: tuple[int, int] | None, wanted: str, order: str = _NAME, show: str = _ALL
    ) -> Updates:
        """[what was seen now, then as `press_refresh`], when there is news in the folders."""
        self.collection.refresh()
        now = self.collection.version, len(self.studio.usual_lengths)
        if now == seen:
            return [seen, *(gr.update() for _ in range(5))]
        return [now, *self.press_refresh(wanted, order, show)]

    def press_refresh(self, wanted: str = "", order: str = _NAME, show: str = _ALL) -> Updates:
        """[gallery, table, update of the dropdown, the skipped, update of the replaced]"""
        self.collection.refresh()
        labels = self._matching(wanted, order, show)
        entries = self.collection.entries
        some = [(entries[label].preview, label) for label in labels[:_MOST_SHOWN]]
        return [
            gr.update(value=thumbnails(some)),
            gr.update(value=self._table(labels)),
            gr.update(choices=list(entries)),
            gr.update(value=self._skipped()),
            gr.update(choices=[*self._deleted(), *self._replaced()]),
        ]

    def _matching(self, wanted: str, order: str = _NAME, show: str = _ALL) -> list[str]:
        words, facts = (wanted or "").lower().split(), self.studio.facts()
        found = [
            (label, entry)
            for label, entry in self.collection.entries.items()
            if all(word in f"{label} {entry.family} {entry.base_model}".lower() for word in words)
            and (show == _ALL or (show == _FITTING) == (misfit(entry, facts) == ""))
        ]
        strengths = self.collection.strengths() if order == _STRENGTH else {}
        return [label for label, _ in sorted(found, key=lambda each: _key(order, strengths, *each))]

    def _table(self, labels: Sequence[str]) -> str:
        strengths = self.collection.strengths()
        entries = self.collection.entries
        rows = [_row(label, entries[label], strengths) for label in labels[:_MOST_SHOWN]]
        more = len(labels) - len(rows)
        rest = tables.fine(f"… and {more} more: search for them") if more > 0 else ""
        return self._empty(rows) + tables.table(_HEAD, rows) + rest

    def _empty(self, rows: Sequence[object]) -> str:
        """What to do when nothing is shown."""
        if rows:
            return ""
        if self.collection.entries:
            return markup.box("note", "No embedding matches. Clear Search and set Show to All.")
        folder = next(iter(self.studio.embeddings_dirs()), "")
        text = f"No embeddings yet. Train one, or copy files to {folder}."
        return markup.box("note", text)

    def _skipped(self) -> str:
        library = self.collection.library
        found = library.skipped if library else ()
        rows = [(str(each.path.name), each.reason) for each in found]
        text = tables.folded(f"{len(rows)} skipped", tables.table(("file", "why"), rows))
        hidden = [
            (clash.winner.name, clash.winner.file, ", ".join(e.file for e in clash.hidden))
            for clash in (library.clashes() if library else ())
        ]
        clashes = tables.table(("name", "means", "and hides"), hidden)
        return text + tables.folded(f"{len(hidden)} name(s) used twice", clashes)

    def press_measure(self, wanted: str, order: str = _NAME, show: str = _ALL) -> Updates:
        """[what to say, then as `press_refresh`]: learn how long the model's words are."""
        ask(
            self.studio,
            "strengths",
            lambda host, session: usual_lengths(self.studio, host, session),
        )
        return ["", *self.press_refresh(wanted, order, show)]

    def press_select(
        self, wanted: str, order: str, show: str, event: gr.SelectData
    ) -> dict[str, object]:
        """An image of the gallery was clicked: an update of the dropdown."""
        place = event.index if isinstance(event.index, int) else event.index[0]
        labels = self._matching(wanted, order, show)
        return gr.update(value=labels[place]) if place < len(labels) else gr.update()

    def press_check(self, prompt: str) -> str:
        """Which words of a prompt are embeddings for the model, where, and why others are not."""
        self.collection.refresh()
        library = self.collection.library
        known = known_of(library) if library else []
        return words_html(words_of(prompt or "", known, self.studio.host()))

    # --- one embedding ------------------------------------------------------------------------

    def press_choose(self, label: str) -> Updates:
        """[what is known without the model, update of the new name, and of what is sent]"""
        if not label:
            return ["", gr.update(), *word_to_send()]
        entry, embedding = self.collection.find(label), self.collection.read(label)
        name = gr.update(value=_proposed(entry.name))
        return [file_html(entry, embedding), name, *word_to_send(entry.name, embedding)]

    def press_inspect(self, label: str) -> str:
        """Strength and nearest words of each vector."""
        embedding = self.collection.read(label)

        def question(host: Host, session: Session) -> str:
            vectors = for_encoders(embedding, host.describe().widths, embedding.name)
            found = strength_of(vectors, usual_lengths(self.studio, host, session))
            near = nearest_tokens(vectors, host, session)
            words = about_words(embedding.step, near)
            told = markup.notices([*other_base(embedding, host.describe()), *words])
            return told + strength_html(found, near)

        return ask(self.studio, f"inspect {embedding.name}", question)

    def press_again(self, label: str) -> tuple[str, SettingValues]:
        """(what to say, settings for Train): those that made an embedding, for another one."""
        settings = train_again(self.studio, self.collection.find(label))
        said = (
            f"Train now has the settings of {label}; the new embedding is called "
            f"{settings['token_string']}. Enter its Dataset directory there"
        )
        told = markup.box("good", said)
        facts = self.studio.facts()
        if facts is not None:
            told += markup.notices(other_base(self.collection.read(label), facts))
        return told, settings

    def press_convert(self, label: str, format: str, name: str, drop: str = "") -> Updates:
        """[what to say, update of Train's dropdown]"""
        entry, embedding = self.collection.find(label), self._licensed(label)
        kind, picture = _FORMATS.get(format, format), None
        if kind == "png" and entry.preview:
            try:
                picture = open_image(entry.preview)
            except DataError:
                picture = None  # a card without its picture is still a card
        told = A1111_TRAINS if entry.path.suffix == ".pt" and kind == "safetensors" else ""
        made = convert(without_tables(embedding, drop or ""), _name(name))
        said, names = self._saved(made, kind, picture)
        return [f"{said}{markup.box('note', told)}", names]

    def _licensed(self, label: str) -> Embedding:
        """It, with the licence that is noted of it: what is made of it has the same."""
        return with_license(self.collection.find(label).path, self.collection.read(label))

    def press_scale(self, label: str, how: str, amount: float | None, name: str) -> Updates:
        """[what to say, update of Train's dropdown]"""
        if amount is None:
            raise ConfigError("the amount is empty", "", "give a number")
        embedding = self._licensed(label)
        if how == _BY_STRENGTH:
            factors = factors_to_strength(self.studio, embedding, amount)
        else:
            by = factor_of_brackets(round(amount)) if how == _BY_BRACKETS else float(amount)
            factors = dict.fromkeys(embedding.vectors, by)
        return self._saved(rescaled(embedding, factors, _name(name)))

    def press_merge(self, expression: str, name: str) -> Updates:
        """[what to say, update of Train's dropdown]"""
        folders = self.studio.embeddings_dirs()

        def question(host: Host, session: Session) -> Embedding:
            sources = Sources((), folders, session, paths=False)
            return merge(expression or "", _name(name), sources, host.describe())

        return self._saved(ask(self.studio, "merge", question))

    def press_restore(self, label: str) -> Updates:
        """[what to say, update of Train's dropdown]: bring a replaced or deleted embedding back."""
        gone = self._deleted().get(label or "")
        if gone:
            said = f"{undelete(self.studio, gone).name} is back, with all its files"
        else:
            path = restore(self.studio, self._replaced().get(label or "", ""))
            said = f"{path.name} is as it was; what had its name is kept as a copy"
        return [markup.box("good", said), embeddings_update(self.studio)]

    def _replaced(self) -> dict[str, str]:
        """What is shown of a copy → its path."""
        found = replaced(self.studio)
        return {f"{kept.path.name}: {kept.told}": file for file, kept in found.items()}

    def _deleted(self) -> dict[str, str]:
        """What is shown of an embedding in the bin → its folder there."""
        found = deleted(self.studio)
        return {f"{each.told} ({each.folder.name})": file for file, each in found.items()}

    def _saved(
        self, made: Embedding, format: str = "safetensors", picture: Image.Image | None = None
    ) -> Updates:
        path = save_new(self.studio, made, format, picture)
        said = f"{path.name} is written, {made.count} vector(s): write {path.stem} in a prompt"
        boxes = markup.box("good", said) + markup.box("warning", long_for_prompts(made))
        return [boxes, embeddings_update(self.studio)]


def _proposed(name: str) -> str:
    """A name that is probably free; a stranger's file may be called anything."""
    return fitting_name(fitting_name(name)[:60] + "-2")


def _name(name: str) -> str:
    return (name or "").strip()


def _key(
    order: str, strengths: Mapping[str, float], label: str, entry: Entry
) -> tuple[float, str, str]:
    """The largest, newest and loudest come first; equal ones are in the order of their names."""
    numbers = {_DATE: entry.changed, _STEPS: entry.step, _STRENGTH: strengths.get(label, -1.0)}
    family = entry.family if order == _FAMILY else ""
    return -numbers.get(order, 0.0), family, alike(label)


def _row(label: str, entry: Entry, strengths: Mapping[str, float]) -> tuple[tables.Cell, ...]:
    loud = tables.strength_tag(strengths.get(label))
    return label, entry.model, entry.vectors, entry.step, loud, entry.base_model, entry.path.name


# --- the page ---------------------------------------------------------------------------------


def build(studio: Studio) -> None:
    """Fill the tab."""
    page = LibraryPage(studio)
    with gr.Row():
        wanted = gr.Textbox(label="Search", max_lines=1, elem_id="ti_library_search")
        order = gr.Dropdown(
            _ORDERS, value=_NAME, label="Sort by", elem_id="ti_library_order", min_width=110
        )
        show = gr.Dropdown(
            [_ALL, _FITTING, _OTHERS],
            value=_ALL,
            label="Show",
            elem_id="ti_library_show",
            min_width=150,
        )
        refresh = gr.Button("Refresh", elem_id="ti_library_refresh", scale=0, min_width=90)
        measure = gr.Button(
            "Measure strengths", elem_id="ti_library_measure", scale=0, min_width=160
        )
    message = gr.HTML("", elem_id="ti_library_message")
    with component(gr.Row, equal_height=False):
        with gr.Column(scale=5, min_width=360):
            cards = gallery("Embeddings", 5, "ti_library_cards", allow_preview=False)
            skipped = gr.HTML("")
            table = gr.HTML(markup.box("note", "reading …"), elem_id="ti_job_progress_library")
        with gr.Column(scale=4, min_width=360):
            chosen, copy = _one(page)
    _check(page)
    shown = [cards, table, chosen, skipped, copy]
    seen = gr.State(None)
    poll = gr.Button("Refresh", elem_id="ti_poll_library", elem_classes=["ti-hidden"])
    asked = [wanted, order, show]
    on(poll.click, page.look, [seen, *asked], [seen, *shown], quiet=True)
    for event in (refresh.click, wanted.submit, order.change, show.change):
        on(event, page.press_refresh, asked, shown)
    press = errors_first(page.press_measure, 1 + len(shown))
    on(measure.click, press, asked, [message, *shown])
    on(cards.select, page.press_select, asked, [chosen], quiet=True)


def _check(page: LibraryPage) -> None:
    """Was it used? For any prompt."""
    with gr.Accordion("Check a prompt", open=False):
        prompt = gr.Textbox(label="Prompt", lines=2, elem_id="ti_library_prompt")
        button = gr.Button("Check", elem_id="ti_library_check")
        told = gr.HTML("", elem_id="ti_library_words")
    on(button.click, markup.with_error_box(page.press_check), [prompt], [told])


def _one(page: LibraryPage) -> tuple[gr.Dropdown, gr.Dropdown]:
    """What can be done with one embedding; returns the dropdowns that choose it, and a copy."""
    chosen = gr.Dropdown([], label="Embedding", elem_id="ti_library_chosen")
    sent = build_sending(page.studio)
    inspect = gr.Button("Strength and nearest words", elem_id="ti_library_inspect")
    explained = gr.HTML("", elem_id="ti_library_explained")
    known = gr.HTML("", elem_id="ti_library_known")
    info = "name of the file that Convert, Scale and Merge write; no file is overwritten"
    name = text_line("New name", "ti_library_name", info=info)
    answer = gr.HTML("", elem_id="ti_library_answer")
    with gr.Row():
        again = gr.Button("Train again", elem_id="ti_library_again", min_width=120)
        further = gr.Button("Train further", elem_id="ti_library_further", min_width=120)
    told = [known, name, *sent]
    on(chosen.change, errors_first(page.press_choose, len(told)), [chosen], told, quiet=True)
    if page.studio.shared:
        page.studio.shared.later.append(lambda: _bind_again(page, again, chosen, answer))
    on(inspect.click, markup.with_error_box(page.press_inspect), [chosen], [explained])
    library_files.build(page.studio, page.collection, chosen, further)
    return chosen, _tools(page, chosen, name, answer)


def _bind_again(page: LibraryPage, button: gr.Button, chosen: gr.Dropdown, answer: gr.HTML) -> None:
    """Its outputs are the fields of Train."""
    form = page.studio.shared.form if page.studio.shared else None
    if form is None:
        return

    def press(label: str) -> Updates:
        told, settings = page.press_again(label)
        return [told, *form.updates(settings)]

    outputs = [answer, *form.inputs]
    on(button.click, errors_first(press, len(outputs)), [chosen], outputs)


def _tools(
    page: LibraryPage, chosen: gr.Dropdown, name: gr.Textbox, answer: gr.HTML
) -> gr.Dropdown:
    """Returns the dropdown of copies that can be brought back."""
    shared = page.studio.shared
    outputs = [answer, *([shared.embedding] if shared else [])]

    def bind(button: gr.Button, press: Press, inputs: Sequence[Component]) -> None:
        on(button.click, errors_first(press, len(outputs)), inputs, outputs)

    with gr.Accordion("Convert", open=False):
        kind = gr.Dropdown(
            list(_FORMATS),
            value=next(text for text, key in _FORMATS.items() if key == "safetensors"),
            label="Format",
            elem_id="ti_library_format",
        )
        told = "their keys, such as t5xxl or clip_l_out,t5xxl_out; empty: all are kept"
        drop = text_line(markup.TABLES_TO_LEAVE_OUT, "ti_library_drop", info=told)
        button = gr.Button("Convert", elem_id="ti_library_convert")
        bind(button, page.press_convert, [chosen, kind, name, drop])
    with gr.Accordion("Scale", open=False):
        with gr.Row():
            how = gr.Radio(_WAYS, value=_BY_STRENGTH, label="How")
            amount = gr.Number(1.0, label="Amount", elem_id="ti_library_amount")
        button = gr.Button("Scale", elem_id="ti_library_scale")
        bind(button, page.press_scale, [chosen, how, amount, name])
    with gr.Accordion("Merge", open=False):
        expression = gr.Textbox(
            label="Expression", info=_EXPRESSIONS, lines=2, elem_id="ti_library_expression"
        )
        button = gr.Button("Merge", elem_id="ti_library_merge")
        bind(button, page.press_merge, [expression, name])
    with gr.Accordion("Bring back", open=False):
        copy = gr.Dropdown(
            [],
            label="Replaced or deleted embedding",
            info="the bin, then kept copies, newest first; what has the name now becomes a copy",
            elem_id="ti_library_replaced",
        )
        button = gr.Button("Bring back", elem_id="ti_library_restore")
        bind(button, page.press_restore, [copy])
    return copy
