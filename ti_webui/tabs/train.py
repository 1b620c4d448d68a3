"""Train: a goal, a word, a folder, and then to watch it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.data.pictures import list_images
from ti_core.data.templates import SHIPPED
from ti_core.errors import TIError
from ti_core.families import Family
from ti_core.train.config import TrainConfig

from .. import markup
from ..embeddings import all_names, refreshed
from ..forms import Form
from ..gradio_versions import html, made, on
from ..live import Live, bind_live, build_live
from ..outlook import outlook
from ..presets import FIRST_GOAL, GOALS, template_for
from ..studio import Studio
from ..training import (
    SETTLED,
    embedding_named,
    new_request,
    resumable,
    resume_request,
    settings_of_page,
    start,
)
from ..txt2img import preview_settings

_OUTLOOK = (
    "num_vectors_per_token",
    "learning_rate",
    "max_train_steps",
    "train_batch_size",
    "mixed_precision",
    "width",
    "height",
)
"""Settings that change what is told beforehand about schedule, tokens and memory."""


@dataclass
class TrainPage:
    """What the buttons do; values of the form come first, as `form.inputs` has them."""

    studio: Studio
    form: Form
    live: Live | None = None
    txt2img: tuple[str, ...] = ()
    """Names of the txt2img fields whose values follow those of the form."""

    def settings(self, values: Sequence[Any]) -> dict[str, Any]:
        """What the form and the txt2img page say."""
        own = len(self.form.inputs)
        settings = self.form.settings(values[:own])
        settings["token_string"] = str(settings.get("token_string") or "").strip()
        if self.txt2img and values[own]:
            fields = dict(zip(self.txt2img, values[own + 1 :], strict=True))
            features = self.studio.host().features()
            settings |= preview_settings(fields, features.samplers)
        return settings

    def press_train(self, *values: Any) -> str:
        """Begin a training, of a new word or of the embedding that is chosen."""
        config = self.form.config(self.settings(values))
        start(self.studio, new_request(self.studio, config))
        return ""

    def press_resume(self, *values: Any) -> str:
        """Go on with the newest run of the word."""
        settings = self.settings(values)
        name = settings["token_string"]
        found = resumable(self.studio, name, settings["logging_dir"])
        start(self.studio, resume_request(found, name, int(settings["max_train_steps"] or 0)))
        return ""

    def choose_goal(self, goal: str, folder: str) -> list[Any]:
        """[about it, an update for each component of the form]"""
        settings = GOALS[goal].settings_for(self._family())
        settings["prompt_template"] = template_for(goal, captioned(folder))
        return [markup.box("note", GOALS[goal].about), *self.form.updates(settings)]

    def choose_folder(self, goal: str, folder: str) -> list[Any]:
        """[what lies there, an update of the prompt template]"""
        template = gr.update(value=template_for(goal, captioned(folder)))
        return [markup.box("note", told_about(folder)), template]

    def choose_embedding(self, name: str, logging_dir: str) -> list[Any]:
        """[what there is of this name, an update of the number of vectors, one of Max steps]"""
        name = (name or "").strip()
        run = resumable(self.studio, name, logging_dir) if name else None
        entry = embedding_named(self.studio, name) if name else None
        told = []
        if entry:
            told.append(f"{entry.name} is there: {entry.vectors} vector(s), {entry.step} steps. ")
            told.append("Train Embedding goes on from it as it is now. ")
        if run:
            last = run.config.optimizer.max_train_steps
            told.append(f"Its newest run stands at step {run.step} of {last}; Resume goes on ")
            told.append("exactly where it stopped, to Max steps if that is more.")
        vectors = gr.update(value=entry.vectors) if entry else gr.update()
        steps = gr.update(value=run.config.optimizer.max_train_steps) if run else gr.update()
        return [markup.box("note", "".join(told)), vectors, steps]

    def outlook(self, *values: Any) -> str:
        """Schedule, token allowance and memory, while the settings are being made."""
        settings = self.form.settings(values[: len(self.form.inputs)])
        settings["token_string"] = "unnamed"
        return markup.outlook(outlook(self.studio, self.form.config(settings)))

    def first_look(self) -> list[Any]:
        """When a page is opened: the embeddings, and what a run with the defaults would be."""
        settings = {**self.form.defaults, "token_string": "unnamed"}
        told = markup.outlook(outlook(self.studio, self.form.config(settings)))
        return [refreshed(self.studio), gr.update(value=told)]

    def _family(self) -> Family | None:
        try:
            return self.studio.host().describe().family
        except TIError:
            return None


def captioned(folder: str) -> bool:
    """Whether every picture of a folder has a caption file."""
    found = _pictures(folder)
    return bool(found) and all(path.with_suffix(".txt").is_file() for path in found)


def told_about(folder: str) -> str:
    """How many pictures and captions there are."""
    if not folder or not Path(folder).is_dir():
        return f"there is no folder {folder}" if folder else ""
    found = _pictures(folder)
    captions = sum(path.with_suffix(".txt").is_file() for path in found)
    return f"{len(found)} picture(s), {captions} with a caption"


def _pictures(folder: str) -> list[Path]:
    try:
        return list_images(Path(folder)) if folder and Path(folder).is_dir() else []
    except (TIError, OSError):
        return []  # told by the checkup, with its reason


def build(studio: Studio) -> TrainPage:
    """Fill the tab, and return what its buttons do."""
    defaults = {**GOALS[FIRST_GOAL].settings_for(None), **settings_of_page(studio)}
    page = TrainPage(studio, Form(TrainConfig, "ti_train", defaults))
    with made(gr.Row, equal_height=False):
        with gr.Column(scale=5, min_width=380):
            parts = _settings(page)
        with gr.Column(scale=4, min_width=380, elem_id="ti_live"):
            _buttons(page, parts)
    _bind(page, parts)
    return page


def _settings(page: TrainPage) -> dict[str, Any]:
    """The left half; returns the components that are no settings, by name."""
    form, shared = page.form, page.studio.shared
    parts: dict[str, Any] = {}
    assert shared is not None, "the panel makes them before any tab"
    parts["goal"] = gr.Radio(
        [(goal.label, key) for key, goal in GOALS.items()],
        value=FIRST_GOAL,
        label="What to teach",
        elem_id="ti_goal",
    )
    parts["goal_about"] = html(markup.box("note", GOALS[FIRST_GOAL].about))
    with gr.Row():
        shared.embedding.choices = [(name, name) for name in all_names(page.studio)]
        form.put("token_string", _rendered(shared.embedding))
        refresh = gr.Button(
            "Refresh", elem_id="ti_refresh_embedding", scale=0, min_width=90, size="sm"
        )
    parts["refresh"] = refresh
    parts["embedding_about"] = html()
    with gr.Row():
        form.add("init_word", info="what it is, in a word or two, such as: cat toy")
        form.add("num_vectors_per_token")
    form.put("train_data_dir", _rendered(shared.dataset_dir))
    parts["folder_about"] = html()
    _template(page)
    with gr.Row():
        form.add("learning_rate")
        form.add("max_train_steps")
    parts["outlook"] = html(elem_id="ti_outlook")
    with gr.Row():
        form.add("resolution")
    with gr.Row():
        form.add("train_batch_size")
        form.add("gradient_accumulation_steps")
    with gr.Row():
        form.add("sample_every_n_steps")
        form.add("save_every_n_steps")
    _preview_prompt(page, parts)
    _folded(page)
    return parts


def _rendered(component: Any) -> Any:
    component.render()
    return component


def _template(page: TrainPage) -> None:
    """Those that come with the program, and the user's own."""
    folder = page.studio.templates_dir()
    own = sorted(str(path) for path in folder.glob("*.txt")) if folder else []
    page.form.put(
        "prompt_template",
        made(
            gr.Dropdown,
            choices=["auto", "captions", *SHIPPED, *own],
            value=page.form.defaults["prompt_template"],
            label="Prompt template",
            info="auto: each caption as it is when all of them name the word; else a template "
            "for things, with the captions if there are any",
            allow_custom_value=True,
            elem_id="ti_train_prompt_template",
        ),
    )


def _preview_prompt(page: TrainPage, parts: dict[str, Any]) -> None:
    page.form.add("sample_prompts")
    fields = page.studio.txt2img_parameters()
    if fields:
        page.txt2img = tuple(fields)
        parts["from_txt2img"] = gr.Checkbox(
            False,
            label="Read parameters (prompt, etc...) from txt2img tab when making previews",
            elem_id="ti_train_preview_from_txt2img",
        )
        parts["txt2img"] = list(fields.values())


def _folded(page: TrainPage) -> None:
    for title, names in page.form.rest(SETTLED).items():
        with gr.Accordion(f"More: {title}", open=False):
            for name in names:
                page.form.add(name)


def _buttons(page: TrainPage, parts: dict[str, Any]) -> None:
    with gr.Row():
        parts["train"] = gr.Button("Train Embedding", variant="primary", elem_id="ti_train_button")
        parts["resume"] = gr.Button("Resume", elem_id="ti_resume")
    parts["message"] = html(elem_id="ti_train_message")
    page.live = build_live(page.studio)


def _bind(page: TrainPage, parts: Mapping[str, Any]) -> None:
    form, fields = page.form, page.form.components
    values = [*form.inputs, *([parts["from_txt2img"], *parts["txt2img"]] if page.txt2img else [])]
    for button, press in ((parts["train"], page.press_train), (parts["resume"], page.press_resume)):
        on(button.click, markup.shown_errors(press), values, [parts["message"]])
    goal, folder = parts["goal"], fields["train_data_dir"]
    on(goal.change, page.choose_goal, [goal, folder], [parts["goal_about"], *form.inputs])
    told = [parts["folder_about"], fields["prompt_template"]]
    on(folder.change, page.choose_folder, [goal, folder], told, quiet=True)
    name, logs = fields["token_string"], fields["logging_dir"]
    about = parts["embedding_about"]
    told = [about, fields["num_vectors_per_token"], fields["max_train_steps"]]
    on(name.change, page.choose_embedding, [name, logs], told, quiet=True)
    on(parts["refresh"].click, lambda: refreshed(page.studio), [], [name], quiet=True)
    assert page.live is not None
    page.live.first, page.live.first_look = [name, parts["outlook"]], page.first_look
    bind_live(page.live, parts["message"])
    for setting in _OUTLOOK:
        event = fields[setting].change
        on(event, markup.shown_errors(page.outlook), form.inputs, [parts["outlook"]], quiet=True)
