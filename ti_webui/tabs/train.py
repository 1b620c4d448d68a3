"""Train: a goal, a word, a folder, and then to watch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import gradio as gr

from ti_core.data.templates import SHIPPED
from ti_core.errors import TIError
from ti_core.files.library_entry import Entry
from ti_core.options import SettingValues, flat
from ti_core.train.config import TrainConfig
from ti_core.train.presets import FIRST_PRESET, PRESETS, template_for

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
from ..studio import Studio
from ..txt2img import preview_settings
from ..unfinished import Unfinished
from .train_folds import build_folds
from .train_form import FormSettings, FormSettingsLayout
from .train_overview import UNNAMED, Overview, OverviewLayout
from .train_pictures import Pictures, PicturesLayout, has_captions
from .train_queue import QueueLayout
from .train_sweep import SweepLayout

_REMEMBERED = (
    "The form has the settings of the last training, except the word. To reset it, press Defaults "
    "in Output. "
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
    overview: Overview = field(init=False)
    pictures: Pictures = field(init=False)
    txt2img: tuple[str, ...] = ()
    """Names of the txt2img fields whose values follow those of the form."""
    folds: dict[str, list[str]] = field(default_factory=dict)
    """Names of the settings in each fold."""

    def __post_init__(self) -> None:
        self.unfinished = Unfinished(self.studio)
        self.form_settings = FormSettings(self.studio, self.form, self.settings)
        self.overview = Overview(self.studio, self.form, self.folds)
        self.pictures = Pictures(self.studio)

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
        was said of the name before, the folder of its images]."""
        settings = self.settings(values)
        folder, name = settings["train_data_dir"], settings["token_string"]
        self.studio.jobs.require_free()
        with self.pictures.dropped.named_after(folder, name) as named:
            settings["train_data_dir"] = named
            request = training.new_request(self.studio, self.form.config(settings))
            training.start_training(self.studio, request)
        kept = {**self.form.settings(values[: len(self.form.inputs)]), "train_data_dir": named}
        self.form_settings.memory.keep(kept)
        return ["", "", named]

    def press_add(self, *values: object) -> Updates:
        """Let such a training begin when everything before it has ended: [what to say]."""
        settings = self.settings(values)
        config = self.form.config(settings)
        order, body = lambda: training.new_request(self.studio, config), {"settings": settings}
        training.enqueue_training(self.studio, order, body)
        self.form_settings.memory.keep(self.form.settings(values[: len(self.form.inputs)]))
        return [""]

    def press_resume(self, label: str | None, *values: object) -> Updates:
        """Continue the chosen run, or the newest of the word, or the newest of all without a
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
        """An image of an unfinished run was clicked: as `choose_run`."""
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

    def choose_goal(self, goal: str, *values: object) -> Updates:
        """[about it, as `Overview.show`, an update for each component of the form]"""
        settings = self.form.settings(values)
        chosen = self.overview.preset(goal, str(settings.get("train_data_dir") or ""))
        overview = self.overview.told(goal, {**settings, **chosen})
        return [markup.box("note", PRESETS[goal].about), *overview, *self.form.updates(chosen)]

    def choose_folder(self, goal: str, folder: str, template: str, *size: float | None) -> Updates:
        """[what is in it, its images, an update of the prompt template]: one that the goal has
        not chosen stays."""
        chosen = template_for(goal, has_captions(self.studio, folder))
        is_goals = template in (template_for(goal, True), template_for(goal, False))
        shown = gr.update(value=chosen) if is_goals else gr.update()
        return [*self.pictures.show(folder, *size), shown]

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
            told.append(f"{entry.name} exists: {entry.vectors} vector(s), {entry.step} step(s). ")
            told.append(f"Train Embedding continues it from step {entry.step}, up to Max steps. ")
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

    def renew(self, opened: bool, name: str | None, logging_dir: str) -> Updates:
        """[what there is of the name, the outlook, the list of unfinished runs and their images,
        an update for each component of the form, one of the runs whose settings can be loaded, and
        folders that were trained on, where none is filled in]: a page that was opened gets the
        settings of the job that is running, else of the last one. What is written in it already
        stays."""
        name, job = (name or "").strip(), self.studio.jobs.latest_of("train")
        is_going = job is not None and not job.progress.over
        settings = job.settings if job and is_going and opened and not name else {}
        last = self.form_settings.memory.last() if opened and not is_going and not name else {}
        said = markup.box("note", _REMEMBERED) if last else ""
        self.unfinished.look()
        own = self.unfinished.at(job.progress.run_folder) if job else self.unfinished.newest()
        if own and name not in ("", self.unfinished.runs[own].name):
            own = self.unfinished.newest(name)
        shown = {**self.form.defaults, **last, **settings, **UNNAMED}
        told = gr.update(value=self.overview.outlook(shown))
        form = dict(zip(self.form.components, self.form.updates({**last, **settings}), strict=True))
        form["token_string"] |= {"choices": labelled(embedding_choices(self.studio))}
        return [
            "" if is_going else said + self._about(name, logging_dir, own)[0],
            told if opened else gr.update(),
            *self.unfinished.updates(own),
            *form.values(),
            gr.update(choices=self.form_settings.memory.runs()),
            gr.update() if shown.get("train_data_dir") or not opened else self.pictures.folders(""),
        ]


def _stands(step: int, config: TrainConfig) -> str:
    last = config.optimizer.last_step
    return (
        f"Its run is at step {step} of {last}; Resume continues exactly where it stopped, "
        "up to Max steps if that is more."
    )


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
        self.overview = OverviewLayout()
        with component(gr.Row, equal_height=False):
            with gr.Column(scale=5, min_width=320, elem_id="ti_train_form"):
                self._first()
                self._folds()
            with gr.Column(scale=4, min_width=320, elem_id="ti_live"):
                self._job()
        self._bar()

    def _first(self) -> None:
        """What a first training needs."""
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
        form.add("init_word", info="what it is, in a word or two, such as: cat toy")
        self.pictures = PicturesLayout(self.folder)
        form.put("train_data_dir", self.folder)

    def _folds(self) -> None:
        """Everything else, and what of it is not as the preset has it."""
        self.overview.build_differing()
        makers = {
            "prompt_template": lambda: _template(self.page),
            "sample_prompts": self._preview_prompt,
        }
        self.page.folds |= build_folds(self.form, makers, self._form_settings)

    def _form_settings(self) -> None:
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

    def _job(self) -> None:
        """The right half."""
        self.overview.build_outlook()
        self.queue = QueueLayout(self.page.studio)
        self.sweep = SweepLayout(self.page.studio)
        self.run = gr.Dropdown(
            [], label="Run to resume", visible=False, elem_id="ti_unfinished", info=_RESUMED
        )
        looks = {"visible": False, "allow_preview": False, "height": 180}
        self.runs = gallery("Unfinished runs", 4, "ti_unfinished_runs", **looks)
        self.live = self.page.live = build_live(self.page.studio)

    def _bar(self) -> None:
        """What stays in sight, however long the page is."""
        with gr.Column(elem_id="ti_bar"):
            self.message = html(elem_id="ti_train_message")
            with gr.Row():
                self.live.bar.render()
                self.train = gr.Button(
                    "Train Embedding", variant="primary", elem_id="ti_train_button"
                )
                self.resume = gr.Button("Resume", elem_id="ti_resume")

    def bind(self) -> None:
        """Bind them, when all of them are there."""
        page, form, fields = self.page, self.form, self.form.components
        said, values = [self.message, self.name_about], [*form.inputs, *self.txt2img]
        begun = [*said, self.folder]
        on(self.train.click, errors_first(page.press_train, 3), values, begun)
        self.queue.bind(page.press_add, values, self.message)
        self.sweep.bind(page.settings, values)
        on(self.resume.click, errors_first(page.press_resume, 2), [self.run, *values], said)
        shown = [self.run, self.name_about, *form.inputs]
        on(self.run.input, page.choose_run, [self.run], shown, quiet=True)
        on(self.runs.select, page.pick_run, [], shown, quiet=True)
        goal, name, folder = self.goal, self.name, self.folder
        told: list[Component] = [self.goal_about, *self.overview.outputs, *form.inputs]
        on(goal.change, page.choose_goal, [goal, *form.inputs], told, quiet=True)
        told = [*self.pictures.outputs, fields["prompt_template"]]
        size = [fields["width"], fields["height"]]
        asked = [goal, folder, fields["prompt_template"], *size]
        on(folder.change, page.choose_folder, asked, told, quiet=True)
        steps = [fields["num_vectors_per_token"], fields["max_train_steps"]]
        told, asked = [self.name_about, *steps, self.run], [name, fields["logging_dir"], self.run]
        on(name.change, page.choose_embedding, asked, told, quiet=True)
        self.form_settings.bind(page.form_settings, self.txt2img)
        self.overview.bind(page.overview, goal)
        self.pictures.bind(page.pictures, name, size)
        refreshed = [name, fields["prompt_template"], self.form_settings.run]
        on(self.refresh.click, page.refresh, [], refreshed, quiet=True)
        first = (self.name_about, self.overview.outlook, self.run, self.runs)
        last = (self.form_settings.run, self.pictures.about)
        self.live.lists = [*first, *form.inputs, *last]
        self.live.asked = [name, fields["logging_dir"]]
        self.live.renew = page.renew
        bind_live(self.live, self.message)


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
