"""Model: choose a checkpoint, load it, see what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from ti_core.cli.plain import with_flags
from ti_core.cli.standalone import DEMO
from ti_core.errors import HostBusyError, setting
from ti_core.port.session import ModelFacts

from .. import markup, tables
from ..gradio_versions import Updates, html, on
from ..job import Job
from ..job_view import bind_job_view, build_job_view, errors_first
from ..studio import Studio
from .models import Shelf

_IDLE = "Weights are read from the file when they are needed; loading checks the whole file once."
_NONE = "No model is loaded. Choose a checkpoint, or the demo model, which is there already."
_NO_FOLDERS = f"Start ti ui with {setting('model_dirs')} FOLDER to list your checkpoints here."


class ModelPage:
    """What the buttons do."""

    def __init__(self, studio: Studio, shelf: Shelf) -> None:
        self.studio, self.shelf = studio, shelf

    def look(self, opened: bool) -> Updates:
        """[update of the list, what is loaded]"""
        choices = self.shelf.choices()
        update = gr.update(choices=choices)
        if opened:
            own = self.shelf.config.pretrained_model_name_or_path
            update |= {"value": own or choices[0][1]}
        return [update, self.about()]

    def about(self) -> str:
        """The loaded model."""
        facts = self.studio.facts()
        if facts:
            return tables.table(("model", ""), list(told_of(facts).items()))
        hint = "" if self.shelf.folders else with_flags(_NO_FOLDERS)
        return markup.box("note", _NONE) + markup.box("hint", hint)

    def press_load(self, chosen: str, predicts_v: bool) -> Updates:
        """[what to say]: begin to load."""
        self._require_free("loaded")

        def work(job: Job) -> Path | None:
            self.shelf.load(chosen, predicts_v, job)
            return None

        self.studio.start("model", Path(chosen).name or DEMO, work)
        return [""]

    def press_unload(self) -> Updates:
        """[what to say, what is loaded]"""
        self._require_free("unloaded")
        self.shelf.unload()
        return [markup.box("good", "no model is loaded now"), self.about()]

    def _require_free(self, what: str) -> None:
        job = self.studio.jobs.running
        if job:
            raise HostBusyError(
                f"no model can be {what} now",
                f"{job.name or job.kind} works with the one that is loaded",
                "wait for its end, or interrupt it",
            )


def told_of(facts: ModelFacts) -> Mapping[str, str]:
    """Facts of a model, for people."""
    encoders = ", ".join(f"{key} ({width} wide)" for key, width in facts.widths.items())
    return {
        "name": facts.checkpoint_name,
        "family": facts.family.label,
        "size of images": f"{facts.resolution} px",
        "text encoders": encoders,
        "hash": facts.checkpoint_hash,
    }


def build(studio: Studio, shelf: Shelf) -> None:
    """Fill the tab."""
    page = ModelPage(studio, shelf)
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                chosen = gr.Dropdown([], label="Checkpoint", elem_id="ti_model_chosen")
                refresh = gr.Button("Refresh", elem_id="ti_model_refresh", scale=0, size="sm")
            predicts_v = gr.Checkbox(
                shelf.config.v_parameterization,
                label="v-prediction",
                info="only for an SD 2 checkpoint of 768 px that does not say so itself",
                elem_id="ti_model_v",
            )
            with gr.Row():
                load = gr.Button("Load", variant="primary", elem_id="ti_model_load")
                unload = gr.Button("Unload", elem_id="ti_model_unload")
            message = html(elem_id="ti_model_message")
        with gr.Column(scale=4, min_width=320, elem_classes=["ti-job"]):
            view = build_job_view(studio, "model", _IDLE)
            about = gr.HTML("", elem_id="ti_model_about")
    inputs = [chosen, predicts_v]
    on(load.click, errors_first(page.press_load, 1), inputs, [message], quiet=True)
    on(unload.click, errors_first(page.press_unload, 2), [], [message, about], quiet=True)
    on(refresh.click, lambda: page.look(False), [], [chosen, about], quiet=True)
    view.lists, view.renew = [chosen, about], page.look
    bind_job_view(view, message)
