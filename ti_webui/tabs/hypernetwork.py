"""Hypernetwork: one is made, trained, and gone on with. Its form is apart from that of embeddings,
which A1111 has in one (its issue 4766)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from ti_core.data.templates import SHIPPED
from ti_core.options import SettingValues, make_config
from ti_core.train.hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_core.train.progress import JobProgress

from .. import markup
from ..forms import Form
from ..gradio_versions import Updates, component, gallery, html, on
from ..hypernetworks import (
    SETTLED,
    find_resumable_hypernetwork,
    known_hypernetworks,
    resume_hypernetwork,
    start_hypernetwork_creation,
    start_hypernetwork_training,
)
from ..job import Job
from ..job_view import bind_job_view, build_job_view, errors_first
from ..live import pictures
from ..studio import Studio
from ..training import more_steps, settings_of_page

_FIRST = "style"
_ABOUT = (
    "<p>A hypernetwork changes the whole image of every prompt that contains "
    "&lt;hypernet:name:1&gt;. Captions describe what it should not learn.</p>"
)
_IDLE = "No hypernetwork is being created or trained."
_LABELS = markup.labels_of(HypernetworkTrainConfig, hypernetwork_name="Hypernetwork")
_MODULES = (
    "enable_sizes",
    "layer_structure",
    "activation_func",
    "weight_init",
    "add_layer_norm",
    "use_dropout",
    "dropout_structure",
)


@dataclass
class HypernetworkPage:
    """What the buttons do; values of the form come in the order of `form.inputs`."""

    studio: Studio
    form: Form[HypernetworkTrainConfig]

    def settings(self, values: Sequence[object]) -> SettingValues:
        """What the form says."""
        settings = self.form.settings(values)
        settings["hypernetwork_name"] = str(settings.get("hypernetwork_name") or "").strip()
        return settings

    def press_create(self, overwrite: bool, *values: object) -> Updates:
        """Make one that is not trained: [what to say]."""
        settings = self.settings(values)
        config = make_config(HypernetworkConfig, settings)
        start_hypernetwork_creation(self.studio, config, overwrite)
        return [""]

    def press_train(self, *values: object) -> Updates:
        """Train a new one, or the one that is chosen: [what to say]."""
        start_hypernetwork_training(self.studio, self.form.config(self.settings(values)))
        return [""]

    def press_resume(self, *values: object) -> Updates:
        """Continue with the newest run of the name, or of any: [what to say]."""
        settings = self.settings(values)
        name, logs = settings["hypernetwork_name"], settings["logging_dir"]
        found = find_resumable_hypernetwork(self.studio, name, logs)
        more = more_steps(found.config, int(settings["max_train_steps"] or 0))
        resume_hypernetwork(self.studio, found, more)
        return [""]

    def choose_goal(self, goal: str) -> Updates:
        """[about it, an update for each component of the form]"""
        preset = HYPERNETWORK_PRESETS[goal]
        return [markup.box("note", preset.about), *self.form.updates(preset.settings)]

    def renew(self, opened: bool) -> Updates:
        """[whether the program uses such files, the names that are there]"""
        return [self._use(), gr.update(choices=sorted(known_hypernetworks(self.studio)))]

    def _use(self) -> str:
        return "" if self.studio.uses_networks() else markup.box("warning", markup.NO_NETWORKS)


def build(studio: Studio) -> HypernetworkPage:
    """Fill the tab, and return what its buttons do."""
    own = {
        name: value for name, value in settings_of_page(studio).items() if name != "sample_prompts"
    }
    defaults = {**HYPERNETWORK_PRESETS[_FIRST].settings, **own}
    page = HypernetworkPage(studio, Form(HypernetworkTrainConfig, "ti_hyper", defaults))
    gr.HTML(_ABOUT)
    use = html(elem_id="ti_hyper_use")
    with component(gr.Row, equal_height=False):
        with gr.Column(scale=5, min_width=380):
            goal, goal_about = _settings(page)
        with gr.Column(scale=4, min_width=380):
            with gr.Row():
                create = gr.Button("Create hypernetwork", elem_id="ti_hyper_create")
                train = gr.Button("Train Hypernetwork", variant="primary", elem_id="ti_hyper_train")
                resume = gr.Button("Resume", elem_id="ti_hyper_resume")
            overwrite = gr.Checkbox(
                False, label="Overwrite Old Hypernetwork", elem_id="ti_hyper_overwrite"
            )
            message = html(elem_id="ti_hyper_message")
            view = build_job_view(studio, "hypernetwork", _IDLE)
            previews = gallery("Previews", 2, "ti_hyper_previews")
            notes = html(elem_id="ti_hyper_notes")
    values = page.form.inputs
    presses = ((create, page.press_create), (train, page.press_train), (resume, page.press_resume))
    for button, press in presses:
        inputs = [overwrite, *values] if button is create else values
        on(button.click, errors_first(press, 1, _LABELS), inputs, [message])
    on(goal.change, page.choose_goal, [goal], [goal_about, *values])
    view.lists = [use, page.form.components["hypernetwork_name"]]
    view.renew = page.renew
    bind_job_view(view, message, [previews, notes], _shown)
    return page


def _settings(page: HypernetworkPage) -> tuple[gr.Radio, gr.HTML]:
    """The left half: the presets, and what is said of one."""
    form = page.form
    goal = gr.Radio(
        [(preset.label, key) for key, preset in HYPERNETWORK_PRESETS.items()],
        value=_FIRST,
        label="What to teach",
        elem_id="ti_hyper_goal",
    )
    about = html(markup.box("note", HYPERNETWORK_PRESETS[_FIRST].about))
    name = component(
        gr.Dropdown,
        choices=[],
        label="Hypernetwork",
        info="an existing one, to continue it, or a new name",
        allow_custom_value=True,
        elem_id="ti_hyper_hypernetwork_name",
    )
    form.put("hypernetwork_name", name)
    form.add("train_data_dir")
    template = component(
        gr.Dropdown,
        choices=["captions", *SHIPPED],
        value=form.defaults["prompt_template"],
        label="Prompt template",
        allow_custom_value=True,
        elem_id="ti_hyper_prompt_template",
    )
    form.put("prompt_template", template)
    with gr.Row():
        form.add("learning_rate")
        form.add("max_train_steps")
    form.add("resolution")
    with gr.Row():
        form.add("sample_every_n_steps")
        form.add("save_every_n_steps")
    form.add("sample_prompts")
    with gr.Accordion("Modules of a new hypernetwork", open=False):
        for each in _MODULES:
            form.add(each)
    for title, names in form.rest(SETTLED).items():
        with gr.Accordion(f"More: {title}", open=False):
            for each in names:
                form.add(each)
    return goal, about


def _shown(job: Job, progress: JobProgress) -> Updates:
    told = markup.notices(progress.notices)
    return [gr.update(value=pictures(progress.previews)), gr.update(value=told)]
