"""Train: a goal, a word, a folder, and then to watch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from ti_core.data.pictures import list_images
from ti_core.data.templates import SHIPPED
from ti_core.errors import TIError
from ti_core.files.library_entry import Entry
from ti_core.options import SettingValues, flat
from ti_core.train.config import TrainConfig
from ti_core.train.presets import FIRST_PRESET, PRESETS, template_for
from ti_core.train.presets import has_captions as all_have_captions

from .. import markup, training
from ..embeddings import all_names, embedding_choices, embeddings_update, misfit
from ..form_memory import FormMemory
from ..forms import Form
from ..gradio_versions import (
    Component,
    Updates,
    component,
    gallery,
    html,
    labelled,
    on,
    set_choices,
)
from ..job_view import errors_first
from ..live import Live, bind_live, build_live
from ..outlook import outlook_of
from ..studio import Studio
from ..txt2img import preview_settings
from ..unfinished import Unfinished
from .train_form import FormSettings, FormSettingsLayout
from .train_queue import QueueLayout

_OUTLOOK = (
    "num_vectors_per_token",
    "learning_rate",
    "max_train_steps",
    "max_train_epochs",
    "train_data_dir",
    "train_batch_size",
    "gradient_accumulation_steps",
    "mixed_precision",
    "width",
    "height",
)
"""Settings that change what is told beforehand about schedule, tokens and memory."""


_NAMED = {"token_string": "unnamed"}
"""A word for settings that are looked at without one."""
_REMEMBERED = (
    "The form is filled in as at the last training, but for the word; Defaults, below Settings of "
    "the form, takes that back. "
)
_RESUMED = "it continues with its own settings; if none is chosen, the newest run of the name"


@dataclass
class TrainPage:
    """What the buttons do; values of the form come first, as `form.inputs` has them."""

    studio: Studio
    form: Form[TrainConfig]
    live: Live | None = None
    unfinished: Unfinished = field(init=False)
    form_settings: FormSettings = field(init=False)
    txt2img: tuple[str, ...] = ()
    """Names of the txt2img fields whose values follow those of the form."""

    def __post_init__(self) -> None:
        self.unfinished = Unfinished(self.studio)
        self.form_settings = FormSettings(self.studio, self.form, self.settings)

    def settings(self, values: Sequence[object]) -> SettingValues:
        """What the form and the txt2img page say."""
        own = len(self.form.inputs)
        settings = self.form.settings(values[:own])
        settings["token_string"] = str(settings.get("token_string") or "").strip()
        if self.txt2img and values[own]:
            fields = dict(zip(self.txt2img, values[own + 1 :], strict=True))
            features = self.studio.host().features()
            settings |= preview_settings(fields, features.samplers)
        return settings

    def press_train(self, *values: object) -> Updates:
        """Begin a training, of a new word or of the embedding that is chosen: [what to say, what
        was said of the name before]."""
        settings = self.settings(values)
        request = training.new_request(self.studio, self.form.config(settings))
        training.start_training(self.studio, request)
        self.form_settings.memory.keep(self.form.settings(values[: len(self.form.inputs)]))
        return ["", ""]

    def press_add(self, *values: object) -> Updates:
        """Let such a training begin when everything before it has ended: [what to say]."""
        config = self.form.config(self.settings(values))
        training.enqueue_training(self.studio, lambda: training.new_request(self.studio, config))
        self.form_settings.memory.keep(self.form.settings(values[: len(self.form.inputs)]))
        return [""]

    def press_resume(self, label: str | None, *values: object) -> Updates:
        """Go on with the run that is chosen, else with the newest of the word, or of any without a
        word: as `press_train`."""
        settings = self.settings(values)
        name = settings["token_string"]
        if not label and not name:
            self.unfinished.look()
            label = self.unfinished.newest()
        if label:
            found: training.Resumable | None = training.opened_run(self.unfinished.folder(label))
        else:
            found = training.find_resumable(self.studio, name, settings["logging_dir"])
        steps = int(settings["max_train_steps"] or 0)
        more = training.more_steps(found.config, steps) if found else {}
        training.start_training(self.studio, training.resume_request(found, name, more))
        return ["", ""]

    def choose_run(self, label: str | None) -> Updates:
        """[update of the list of runs, what there is to know, an update for each component of the
        form]: everything as the run was begun."""
        if not label:
            return [gr.update(), "", *self.form.updates({})]
        found = training.opened_run(self.unfinished.folder(label))
        told = markup.box("note", _stands(found.step, found.config))
        return [gr.update(value=label), told, *self.form.updates(flat(found.config))]

    def pick_run(self, event: gr.SelectData) -> Updates:
        """A picture of an unfinished run was clicked: as `choose_run`."""
        place = event.index if isinstance(event.index, int) else event.index[0]
        labels = list(self.unfinished.runs)
        return self.choose_run(labels[place] if place < len(labels) else None)

    def refresh(self) -> Updates:
        """[update of the embeddings, of the prompt templates, of the runs]: files may have come."""
        found = (
            gr.update(choices=templates(self.studio)),
            gr.update(choices=self.form_settings.memory.runs()),
        )
        return [embeddings_update(self.studio), *found]

    def choose_goal(self, goal: str, folder: str) -> Updates:
        """[about it, an update for each component of the form]"""
        facts = self.studio.facts()
        settings = PRESETS[goal].settings_for(facts.family if facts else None)
        settings["prompt_template"] = template_for(goal, has_captions(self.studio, folder))
        return [markup.box("note", PRESETS[goal].about), *self.form.updates(settings)]

    def choose_folder(self, goal: str, folder: str, template: str) -> Updates:
        """[what is in it, an update of the prompt template]: one that the goal has not chosen
        stays."""
        chosen = template_for(goal, has_captions(self.studio, folder))
        is_goals = template in (template_for(goal, True), template_for(goal, False))
        shown = gr.update(value=chosen) if is_goals else gr.update()
        return [markup.box("note", folder_summary(self.studio, folder)), shown]

    def choose_embedding(self, name: str, logging_dir: str, label: str | None) -> Updates:
        """[what there is of this name, an update of the number of vectors, one of Max steps, one of
        the list of runs]: the run that is chosen stays so if it is of this name."""
        name = (name or "").strip()
        chosen = self.unfinished.runs.get(label or "")
        if chosen is None or chosen.name != name:
            label = self.unfinished.newest(name) if name else None
        told, entry, run = self._about(name, logging_dir, label)
        vectors = gr.update(value=entry.vectors) if entry else gr.update()
        steps = gr.update(value=run.config.optimizer.max_train_steps) if run else gr.update()
        return [told, vectors, steps, gr.update(value=label)]

    def _about(
        self, name: str, logging_dir: str, label: str | None
    ) -> tuple[str, Entry | None, training.Resumable | None]:
        """What is to be said of a name and the run that is chosen, the embedding, and the run."""
        run = self._run(name, logging_dir, label)
        entry = training.find_embedding(self.studio, name) if name else None
        told = []
        if entry and (reason := misfit(entry, self.studio.facts())):
            return markup.box("error", f"{entry.name} {reason}"), None, None
        if entry:
            told.append(f"{entry.name} is there: {entry.vectors} vector(s), {entry.step} steps. ")
            told.append(f"Train Embedding continues from step {entry.step} of it, to Max steps. ")
        if run:
            told.append(_stands(run.step, run.config))
        return markup.box("note", "".join(told)), entry, run

    def _run(self, name: str, logging_dir: str, label: str | None) -> training.Resumable | None:
        try:
            if label:
                return training.opened_run(self.unfinished.folder(label))
            found = training.find_resumable(self.studio, name, logging_dir) if name else None
        except TIError:
            return None  # Resume says why
        job = self.studio.jobs.running
        is_going = found and job and job.progress.run_folder == found.folder.path
        return None if is_going else found

    def show_outlook(self, *values: object) -> str:
        """Schedule, token allowance and memory, while the settings are being made."""
        settings = self.form.settings(values[: len(self.form.inputs)])
        settings["token_string"] = "unnamed"
        return markup.outlook(outlook_of(self.studio, self.form.config(settings)))

    def renew(self, opened: bool, name: str | None, logging_dir: str) -> Updates:
        """[what there is of the name, the outlook, the list of unfinished runs and their pictures,
        an update for each component of the form, one of the runs whose settings can be loaded]: a
        page that was opened gets the settings of the job that is running, else of the last one.
        What is written in it already stays."""
        name, job = (name or "").strip(), self.studio.jobs.latest_of("train")
        is_going = job is not None and not job.progress.over
        settings = job.settings if job and is_going and opened and not name else {}
        last = self.form_settings.memory.last() if opened and not is_going and not name else {}
        said = markup.box("note", _REMEMBERED) if last else ""
        self.unfinished.look()
        own = self.unfinished.at(job.progress.run_folder) if job else self.unfinished.newest()
        if own and name not in ("", self.unfinished.runs[own].name):
            own = self.unfinished.newest(name)
        shown = {**self.form.defaults, **last, **settings, **_NAMED}
        told = gr.update(value=markup.outlook(outlook_of(self.studio, self.form.config(shown))))
        form = dict(zip(self.form.components, self.form.updates({**last, **settings}), strict=True))
        form["token_string"] |= {"choices": labelled(embedding_choices(self.studio))}
        return [
            "" if is_going else said + self._about(name, logging_dir, own)[0],
            told if opened else gr.update(),
            *self.unfinished.updates(own),
            *form.values(),
            gr.update(choices=self.form_settings.memory.runs()),
        ]


def _stands(step: int, config: TrainConfig) -> str:
    last = config.optimizer.last_step
    return (
        f"Its run is at step {step} of {last}; Resume continues exactly where it stopped, "
        "up to Max steps if that is more."
    )


def has_captions(studio: Studio, folder: str) -> bool:
    """Whether every picture of a folder has a caption file."""
    return all_have_captions(_pictures(studio, folder))


def folder_summary(studio: Studio, folder: str) -> str:
    """How many pictures and captions there are."""
    try:
        if not folder or not studio.places().folder(folder).is_dir():
            return f"there is no folder {folder}" if folder else ""
    except TIError as error:
        return markup.with_labels(str(error))
    found = _pictures(studio, folder)
    captions = sum(path.with_suffix(".txt").is_file() for path in found)
    return f"{len(found)} picture(s), {captions} with a caption"


def _pictures(studio: Studio, folder: str) -> list[Path]:
    try:
        return list_images(studio.places().folder(folder)) if folder else []
    except (TIError, OSError):
        return []  # told by the checkup, with its reason


def build(studio: Studio) -> TrainPage:
    """Fill the tab, and return what its buttons do."""
    defaults = {**PRESETS[FIRST_PRESET].settings_for(None), **training.settings_of_page(studio)}
    defaults |= FormMemory(studio).saved()
    page = TrainPage(studio, Form(TrainConfig, "ti_train", defaults))
    _Layout(page).bind()
    if studio.shared:
        studio.shared.form = page.form
    return page


class _Layout:
    """The components that are not settings."""

    def __init__(self, page: TrainPage) -> None:
        self.page, self.form = page, page.form
        self.txt2img: list[Component] = []
        with component(gr.Row, equal_height=False):
            with gr.Column(scale=5, min_width=380):
                self._settings()
            with gr.Column(scale=4, min_width=380, elem_id="ti_live"):
                self._buttons()

    def _settings(self) -> None:
        """The left half."""
        form, shared = self.form, self.page.studio.shared
        assert shared is not None, "the panel makes them before any tab"
        self.goal = gr.Radio(
            [(goal.label, key) for key, goal in PRESETS.items()],
            value=FIRST_PRESET,
            label="What to teach",
            elem_id="ti_goal",
        )
        self.goal_about = html(markup.box("note", PRESETS[FIRST_PRESET].about))
        self.name, self.folder = shared.embedding, shared.dataset_dir
        with gr.Row():
            set_choices(self.name, all_names(self.page.studio))
            self.name.render()
            form.put("token_string", self.name)
            self.refresh = gr.Button(
                "Refresh", elem_id="ti_refresh_embedding", scale=0, min_width=90, size="sm"
            )
        self.name_about = html()
        with gr.Row():
            form.add("init_word", info="what it is, in a word or two, such as: cat toy")
            form.add("num_vectors_per_token")
        self.folder.render()
        form.put("train_data_dir", self.folder)
        self.folder_about = html()
        _template(self.page)
        with gr.Row():
            form.add("learning_rate")
            form.add("max_train_steps")
        self.outlook = html(elem_id="ti_outlook")
        with gr.Row():
            form.add("resolution")
        with gr.Row():
            form.add("train_batch_size")
            form.add("gradient_accumulation_steps")
        with gr.Row():
            form.add("sample_every_n_steps")
            form.add("save_every_n_steps")
        self._preview_prompt()
        _folded(self.page)
        self.form_settings = FormSettingsLayout()

    def _preview_prompt(self) -> None:
        self.form.add("sample_prompts")
        fields = self.page.studio.txt2img_parameters()
        if fields:
            self.page.txt2img = tuple(fields)
            switch = gr.Checkbox(
                False,
                label="Read parameters (prompt, etc...) from txt2img tab when making previews",
                elem_id="ti_train_preview_from_txt2img",
            )
            self.txt2img = [switch, *fields.values()]

    def _buttons(self) -> None:
        with gr.Row():
            self.train = gr.Button("Train Embedding", variant="primary", elem_id="ti_train_button")
            self.resume = gr.Button("Resume", elem_id="ti_resume")
        self.queue = QueueLayout(self.page.studio)
        self.run = gr.Dropdown(
            [], label="Run to resume", visible=False, elem_id="ti_unfinished", info=_RESUMED
        )
        looks = {"visible": False, "allow_preview": False, "height": 180}
        self.runs = gallery("Unfinished runs", 4, "ti_unfinished_runs", **looks)
        self.message = html(elem_id="ti_train_message")
        self.live = self.page.live = build_live(self.page.studio)

    def bind(self) -> None:
        """Bind them, when all of them are there."""
        page, form, fields = self.page, self.form, self.form.components
        said, values = [self.message, self.name_about], [*form.inputs, *self.txt2img]
        on(self.train.click, errors_first(page.press_train, 2), values, said)
        self.queue.bind(page.press_add, values, self.message)
        on(self.resume.click, errors_first(page.press_resume, 2), [self.run, *values], said)
        shown = [self.run, self.name_about, *form.inputs]
        on(self.run.input, page.choose_run, [self.run], shown, quiet=True)
        on(self.runs.select, page.pick_run, [], shown, quiet=True)
        goal, name, folder = self.goal, self.name, self.folder
        on(goal.change, page.choose_goal, [goal, folder], [self.goal_about, *form.inputs])
        told = [self.folder_about, fields["prompt_template"]]
        asked = [goal, folder, fields["prompt_template"]]
        on(folder.change, page.choose_folder, asked, told, quiet=True)
        steps = [fields["num_vectors_per_token"], fields["max_train_steps"]]
        told, asked = [self.name_about, *steps, self.run], [name, fields["logging_dir"], self.run]
        on(name.change, page.choose_embedding, asked, told, quiet=True)
        self.form_settings.bind(page.form_settings, self.txt2img)
        refreshed = [name, fields["prompt_template"], self.form_settings.run]
        on(self.refresh.click, page.refresh, [], refreshed, quiet=True)
        first = (self.name_about, self.outlook, self.run, self.runs)
        self.live.lists = [*first, *form.inputs, self.form_settings.run]
        self.live.asked = [name, fields["logging_dir"]]
        self.live.renew = page.renew
        bind_live(self.live, self.message)
        press = markup.with_error_box(page.show_outlook)
        for setting in _OUTLOOK:
            on(fields[setting].change, press, form.inputs, [self.outlook], quiet=True)


def templates(studio: Studio) -> list[str]:
    """Those that come with the program, and the user's own."""
    folder = studio.templates_dir()
    own = sorted(map(str, folder.glob("*.txt"))) if folder else []
    return ["auto", "captions", *SHIPPED, *own]


def _template(page: TrainPage) -> None:
    page.form.put(
        "prompt_template",
        component(
            gr.Dropdown,
            choices=templates(page.studio),
            value=page.form.defaults["prompt_template"],
            label="Prompt template",
            info="auto: each caption as it is when all of them name the word; else a template "
            "for things, with the captions if there are any",
            allow_custom_value=True,
            elem_id="ti_train_prompt_template",
        ),
    )


def _folded(page: TrainPage) -> None:
    for title, names in page.form.rest(training.SETTLED).items():
        with gr.Accordion(f"More: {title}", open=False):
            for name in names:
                page.form.add(name)
