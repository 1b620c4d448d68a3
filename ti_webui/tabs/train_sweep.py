"""Sweep: what the form says, trained once for each combination of some values."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from ti_core.errors import ConfigError
from ti_core.train.sweep_choices import typed_choices

from ..gradio_versions import Component, Updates, html, on
from ..job_view import SettingsOf, bind_job_view, build_job_view, errors_first
from ..studio import Studio
from ..sweeping import start_sweep, sweep_variants

_IDLE = "The result is a page that compares the trainings."
_INFO = "one setting per line, with its values: learning_rate=0.005,0.001"


class SweepPage:
    """What the button does."""

    def __init__(self, studio: Studio, settings: SettingsOf) -> None:
        self.studio, self.settings = studio, settings

    def press_start(self, text: str, *values: object) -> Updates:
        """[what to say]: begin; `values` are those of the form."""
        lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
        if not lines:
            raise ConfigError("a sweep needs values that differ", "", f"write {_INFO}")
        variants = sweep_variants(self.studio, self.settings(values), typed_choices(lines))
        start_sweep(self.studio, variants)
        return [""]


class SweepLayout:
    """The components: in a fold, but for the job, which is seen as soon as there is one."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Accordion("Sweep", open=False, elem_id="ti_sweep_fold"):
            self.text = gr.Textbox(
                label="Values to compare", info=_INFO, lines=3, elem_id="ti_sweep_values"
            )
            self.start = gr.Button("Start sweep", elem_id="ti_sweep_start")
            self.message = html(elem_id="ti_sweep_message")
            gr.HTML(f'<p class="ti-fine">{_IDLE}</p>')
        with gr.Column(elem_id="ti_sweep_job"):
            self.view = build_job_view(studio, "sweep", "")

    def bind(self, settings: SettingsOf, values: Sequence[Component]) -> None:
        """`settings` reads the form, of which `values` are the components."""
        page = SweepPage(self.studio, settings)
        press = errors_first(page.press_start, 1)
        on(self.start.click, press, [self.text, *values], [self.message])
        bind_job_view(self.view, self.message)
