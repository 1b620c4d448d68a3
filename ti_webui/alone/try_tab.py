"""Try: a word in an image, beside the same image without it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import gradio as gr

from ti_core.cli.generate import GenerateConfig
from ti_core.data.templates import fill, names_trigger
from ti_core.errors import HostError, TIError
from ti_core.files.embedding import is_negative
from ti_core.files.infotext import read_infotext, read_parameters
from ti_core.options import SettingValues
from ti_core.train.progress import JobProgress

from .. import markup
from ..collection import Collection
from ..embeddings import misfit
from ..forms import Form
from ..gradio_versions import Component, Updates, component, gallery, html, on
from ..job import Job
from ..job_view import bind_job_view, build_job_view, errors_first
from ..studio import Studio
from ..thumbnails import thumbnails
from .trying import start_try

_IDLE = "Write a prompt with a word of your library in it, and press Generate."
_REMEMBERED = 60
"""Images of the session."""
_LABELS = markup.labels_of(GenerateConfig)
_ROWS = (("W", "H"), ("steps", "scale"), ("sampler", "seed"), ("images_per_prompt", "clip_skip"))

_OWN_SIZE = {"value": 0, "info": "0 is the size that the model was made for"}
_LOOKS: Mapping[str, SettingValues] = {
    "W": _OWN_SIZE,
    "H": _OWN_SIZE,
    "steps": {"info": None},
    "seed": {"value": -1, "info": "-1 is random"},
}
"""gradio shows a number that is not there as 0."""


class TryPage:
    """What the buttons do."""

    def __init__(self, studio: Studio, form: Form[GenerateConfig]) -> None:
        self.studio, self.form, self.collection = studio, form, Collection(studio)
        self.made: deque[Path] = deque(maxlen=_REMEMBERED)
        """Images of this session, the newest first."""

    def press_generate(self, beside: bool, *values: object) -> Updates:
        """[what to say]: begin."""
        settings = self.form.settings(values)
        settings |= {name: settings.get(name) or None for name in ("W", "H")}
        seed = settings.get("seed")
        settings["seed"] = None if seed is None or seed < 0 else seed
        start_try(self.studio, self.form.config(settings), beside)
        return [""]

    def show(self, job: Job, progress: JobProgress) -> Updates:
        """[the images, the history, what is told of the words]"""
        shown = sorted(progress.previews, key=lambda one: one.step)
        for one in progress.previews:
            if one.path not in self.made:
                self.made.appendleft(one.path)
        return [
            gr.update(value=[(str(one.path), one.prompt) for one in shown], visible=bool(shown)),
            gr.update(value=thumbnails((p, p.stem) for p in self.made), visible=bool(self.made)),
            gr.update(value=markup.notices(progress.notices)),
        ]

    def look(self, opened: bool) -> Updates:
        """[the words, the samplers]: those of the loaded model."""
        self.collection.refresh()
        facts = self.studio.facts()
        words = [[n] for n, entry in self.collection.entries.items() if not misfit(entry, facts)]
        try:
            samplers = list(self.studio.host().features().samplers)
        except HostError:
            samplers = []
        return [gr.update(samples=words), gr.update(choices=samplers)]

    def press_word(self, word: Sequence[str], prompt: str, negative: str) -> Updates:
        """[the prompt, the negative prompt]: with the word at the end of the one it is for."""
        name = self.collection.find(word[0]).name
        if is_negative(self.collection.read(word[0])):
            return [prompt, _with(name, negative)]
        return [_with(name, prompt), negative]

    def press_try_it(self) -> Updates:
        """[whether without the words too, an update for each component of the form]: for the word
        that was learned last."""
        job = self.studio.jobs.latest_of("train")
        name = job.progress.result.stem if job and job.progress.result else ""
        first = str(job.settings.get("sample_prompts") or "").partition("\n")[0] if job else ""
        prompt = first if "[name]" in first else "a picture of [name]"
        return [True, *self.form.updates({"prompt": fill(prompt, name, "")})]

    def press_read(self, file: str | None) -> Updates:
        """[update of the field, what to say, an update for each component of the form]: as a
        image was made."""
        if not file:
            return [gr.update() for _ in range(2 + len(self.form.inputs))]
        try:
            settings = read_infotext(read_parameters(Path(file)))
        except TIError as error:
            same = (gr.update() for _ in self.form.inputs)
            return [gr.update(value=None), markup.error_box(error), *same]
        said = markup.box("good", f"the settings of {Path(file).name} are filled in")
        return [gr.update(value=None), said, *self.form.updates(_usable(settings))]

    def pick(self, event: gr.SelectData) -> Updates:
        """As `press_read`, of an image of the history."""
        place = event.index if isinstance(event.index, int) else event.index[0]
        return self.press_read(str(self.made[place]) if place < len(self.made) else None)


def _usable(settings: SettingValues) -> SettingValues:
    """One image with its own seed: what the form holds of a batch is not the image's."""
    return {**settings, "images_per_prompt": 1}


def _with(name: str, prompt: str) -> str:
    prompt = (prompt or "").rstrip()
    if names_trigger(prompt, name):
        return prompt
    return f"{prompt} {name}" if prompt else name


def build(studio: Studio) -> None:
    """Fill the tab."""
    _Layout(studio).bind()


class _Layout:
    """The components."""

    def __init__(self, studio: Studio) -> None:
        self.form = Form(GenerateConfig, "ti_try")
        self.page, self.studio = TryPage(studio, self.form), studio
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self._prompts()
                self._settings()
            with gr.Column(scale=4, min_width=320, elem_classes=["ti-job"]):
                self._pictures()

    def _prompts(self) -> None:
        self.form.add("prompt", max_lines=4, lines=2, info=None)
        self.words = gr.Dataset(
            components=["textbox"],
            samples=[],
            label="Words of the library",
            samples_per_page=24,
            elem_id="ti_try_words",
        )
        self.form.add("negative_prompt", max_lines=4, info=None)
        self.beside = gr.Checkbox(
            True,
            label="Also without the words",
            info="the same seeds; the initialization text in the place of each word",
            elem_id="ti_try_beside",
        )
        self.generate = gr.Button("Generate", variant="primary", elem_id="ti_try_generate")
        self.message = html(elem_id="ti_try_message")

    def _settings(self) -> None:
        for row in _ROWS:
            with gr.Row():
                for name in row:
                    if name == "sampler":
                        self._sampler()
                    else:
                        self.form.add(name, **_LOOKS.get(name, {}))
        self.file = gr.File(
            label="Drop a PNG to read its settings",
            file_types=[".png"],
            height=120,
            elem_id="ti_try_file",
        )

    def _sampler(self) -> None:
        sampler = component(
            gr.Dropdown,
            choices=[],
            value="",
            label="Sampler",
            info="the default is the first",
            allow_custom_value=True,
            elem_id="ti_try_sampler",
        )
        self.form.put("sampler", sampler)

    def _pictures(self) -> None:
        self.view = build_job_view(self.studio, "generate", _IDLE)
        self.pictures = gallery("Images", 2, "ti_try_pictures", visible=False)
        self.told = html(elem_id="ti_try_told")
        looks = {"allow_preview": False, "visible": False}
        self.history = gallery("Images of this session", 6, "ti_try_history", **looks)

    def bind(self) -> None:
        """Bind them, when all of them are there."""
        page, form, message = self.page, self.form, [self.message]
        press = errors_first(page.press_generate, 1, _LABELS)
        on(self.generate.click, press, [self.beside, *form.inputs], message, quiet=True)
        prompts: list[Component] = [form.components[name] for name in ("prompt", "negative_prompt")]
        on(self.words.click, page.press_word, [self.words, *prompts], prompts, quiet=True)
        read = [self.file, *message, *form.inputs]
        on(self.file.upload, page.press_read, [self.file], read, quiet=True)
        on(self.history.select, page.pick, [], read, quiet=True)
        shared = self.studio.shared
        if shared and shared.try_it:
            show = "() => tiStudio.showTab('try')"
            tried = [self.beside, *form.inputs]
            on(shared.try_it.click, page.press_try_it, [], tried, js=show, quiet=True)
        view = self.view
        view.lists, view.renew = [self.words, form.components["sampler"]], page.look
        bind_job_view(view, self.message, [self.pictures, self.history, self.told], page.show)
