"""What the form of Train amounts to: a run's outlook, and what differs from the preset.

`javascript/` presses `#ti_form_look` when the form has changed and rests; one event in place of one
for each field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import gradio as gr

from ti_core.errors import TIError
from ti_core.options import SettingValues
from ti_core.train.config import TrainConfig
from ti_core.train.presets import PRESETS, template_for

from .. import markup
from ..differences import back_to, differences, folds_of
from ..forms import Form
from ..gradio_versions import Component, Updates, component, html, on
from ..outlook import outlook_of
from ..studio import Studio
from .train_form import usual_settings
from .train_pictures import has_captions

UNNAMED = {"token_string": "unnamed"}
"""A word for settings that are looked at without one."""
LOOK = "ti_form_look"


@dataclass
class Overview:
    """What it says of a form; the first value is always the goal's."""

    studio: Studio
    form: Form[TrainConfig]
    folds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names of a fold's settings by its own."""

    def show(self, goal: str, *values: object) -> Updates:
        """[outlook, what differs, update of the button that takes it back]"""
        return self.told(goal, self.form.settings(values))

    def told(self, goal: str, settings: SettingValues) -> Updates:
        """The same of settings."""
        return [self.outlook(settings), *self.differing(goal, settings)]

    def outlook(self, settings: SettingValues) -> str:
        """Schedule, token allowance and memory, or why there is none."""
        try:
            config = self.form.config({**settings, **UNNAMED})
        except TIError as error:
            return markup.error_box(error)
        return markup.outlook(outlook_of(self.studio, config))

    def differing(self, goal: str, settings: SettingValues) -> Updates:
        """[what differs from the preset, update of the button]"""
        found = differences(settings, self.usual(goal, str(settings.get("train_data_dir") or "")))
        told = markup.differing(PRESETS[goal].label, found, folds_of(found, self.folds))
        return [told, gr.update(visible=bool(found))]

    def usual(self, goal: str, folder: str) -> SettingValues:
        """Every setting as the preset has it, for a dataset."""
        return {**usual_settings(self.studio), **self.preset(goal, folder)}

    def preset(self, goal: str, folder: str) -> SettingValues:
        """What the preset itself sets, for a dataset."""
        facts = self.studio.facts()
        settings = PRESETS[goal].settings_for(facts.family if facts else None)
        template = template_for(goal, has_captions(self.studio, folder))
        return {**settings, "prompt_template": template}

    def press_back(self, goal: str, *values: object) -> Updates:
        """[as `show`, and an update for each component of the form]"""
        settings = self.form.settings(values)
        usual = back_to(self.usual(goal, str(settings.get("train_data_dir") or "")))
        return [*self.told(goal, {**settings, **usual}), *self.form.updates(usual)]


class OverviewLayout:
    """Its components, made at two places of the page."""

    def build_outlook(self) -> None:
        """Schedule, token allowance and memory, beside the job."""
        self.outlook = html(elem_id="ti_outlook")
        self.look = gr.Button("Refresh", elem_id=LOOK, elem_classes=["ti-hidden"])

    def build_differing(self) -> None:
        """What differs, between what is shown at first and the folds."""
        with gr.Row(elem_id="ti_differing"):
            self.differing = html(elem_id="ti_differs")
            looks = {"visible": False, "size": "sm", "scale": 0, "min_width": 160}
            self.back = component(
                gr.Button, value="Back to the preset", elem_id="ti_back_to_preset", **looks
            )

    @property
    def outputs(self) -> list[Component]:
        """What `Overview.show` returns updates for."""
        return [self.outlook, self.differing, self.back]

    def bind(self, overview: Overview, goal: Component) -> None:
        """Bind it, when the form is complete."""
        form = [goal, *overview.form.inputs]
        on(self.look.click, overview.show, form, self.outputs, quiet=True)
        back = [*self.outputs, *form[1:]]
        on(self.back.click, overview.press_back, form, back, quiet=True)
