"""Settings of the form, at its end: defaults, those of a run, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import gradio as gr

from ti_core.errors import ConfigError
from ti_core.options import SettingValues, flat, leaves
from ti_core.train.command_line import command_line
from ti_core.train.config import TrainConfig
from ti_core.train.presets import FIRST_PRESET, PRESETS

from .. import markup, training
from ..form_memory import FormMemory
from ..forms import Form
from ..gradio_versions import Component, Updates, component, html, on
from ..importing import imported, sent_file
from ..job_view import errors_first
from ..studio import Studio

_NAMED = {"token_string": "unnamed"}
"""A word for settings that are looked at without one."""
_TYPED = ("token_string", "train_data_dir", "logging_dir")
"""Settings that stay as they are typed where an imported file does not have them."""
_CHOSEN_FILE = "() => tiStudio.chosenFile('.json,.toml,.txt,.sh,.bat,.ps1')"


def usual_settings(studio: Studio, preset: bool = True) -> SettingValues:
    """Every setting, for those who have saved no defaults of their own."""
    usual = {path[-1]: item.default for path, item in leaves(TrainConfig)}
    first = PRESETS[FIRST_PRESET].settings_for(None) if preset else {}
    return {**usual, **first, **training.settings_of_page(studio)}


@dataclass
class FormSettings:
    """What the buttons do."""

    studio: Studio
    form: Form[TrainConfig]
    settings: Callable[[Sequence[object]], SettingValues]
    """What the form and the txt2img page say."""

    def __post_init__(self) -> None:
        self.memory = FormMemory(self.studio)

    def defaults(self, preset: bool = True) -> SettingValues:
        """Every setting of the form as a page without memory shows it."""
        usual = usual_settings(self.studio, preset)
        return {**usual, **self.memory.saved(), "token_string": ""}

    def press_defaults(self) -> Updates:
        """[what to say, an update for each component of the form]"""
        return [markup.box("note", "these are the defaults"), *self.form.updates(self.defaults())]

    def press_save(self, *values: object) -> str:
        """What differs from our defaults becomes the user's own. Raises FileError, StorageError."""
        wanted = flat(self.form.config({**self.form.settings(values), **_NAMED}))
        path = self.memory.save(wanted, usual_settings(self.studio))
        return markup.box("good", f"saved in {path}")

    def press_load(self, run: str | None) -> Updates:
        """[what to say, an update for each component of the form]: the settings of a run."""
        settings = self.memory.of_run(run or "")
        said = f"these are the settings of {run}"
        return [markup.box("note", said), *self.form.updates(settings)]

    def press_import(self, sent: str | None) -> Updates:
        """[what to say, an update for each component of the form]: the settings in a file of
        another program that the page has sent, as far as they have a counterpart, over the
        defaults without a preset: what it was not told is not as a preset of ours has it."""
        if not sent:
            return [gr.update() for _ in range(1 + len(self.form.inputs))]
        found = imported(*sent_file(sent))
        told, usual = markup.import_report(found), self.defaults(preset=False)
        settings = {n: each for n, each in usual.items() if n not in _TYPED} | found.settings
        try:
            self.form.config({**_NAMED, **settings})
        except ConfigError as error:
            told += markup.error_box(error)
        return [told, *self.form.updates(settings)]

    def press_command(self, *values: object) -> Updates:
        """[what to say, an update of the text]: the line that trains with this form."""
        settings = self.settings(values)
        settings["output_dir"] = str(self.studio.save_dir())
        facts = self.studio.facts()
        line = command_line(self.form.config(settings), facts.checkpoint_name if facts else "")
        return ["", gr.update(value=line, visible=True)]


class FormSettingsLayout:
    """The components, made at this place of the page."""

    def __init__(self) -> None:
        button = partial(gr.Button, size="sm", min_width=90)
        with gr.Group(elem_id="ti_form_settings"):
            gr.HTML(markup.heading("Settings of the form"))
            with gr.Row():
                self.run = component(
                    gr.Dropdown,
                    choices=[],
                    label="Settings of a run",
                    info="its folder, or its settings.json",
                    allow_custom_value=True,
                    elem_id="ti_form_run",
                )
                self.load = button("Load settings", elem_id="ti_form_load")
            with gr.Row():
                self.defaults = button("Defaults", elem_id="ti_form_defaults")
                self.save = button("Save as defaults", elem_id="ti_form_save")
                self.command = button("Command line", elem_id="ti_form_command")
                self.choose = button("Import settings", elem_id="ti_form_import")
            self.sent = gr.Textbox(visible=False)
            self.said = html()
            looks = {"show_copy_button": True, "buttons": ["copy"], "visible": False}
            self.line = component(
                gr.Textbox, label="Command", interactive=False, elem_id="ti_form_line", **looks
            )

    def bind(self, does: FormSettings, more: Sequence[Component]) -> None:
        """Bind the buttons; `more` are the components of the txt2img page."""
        inputs = does.form.inputs
        said = [self.said, *inputs]
        on(self.defaults.click, does.press_defaults, [], said, quiet=True)
        on(self.load.click, errors_first(does.press_load, len(said)), [self.run], said, quiet=True)
        save = markup.with_error_box(does.press_save)
        on(self.save.click, save, inputs, [self.said], quiet=True)
        sent = errors_first(does.press_import, len(said))
        on(self.choose.click, sent, [self.sent], said, _CHOSEN_FILE, quiet=True)
        command = errors_first(does.press_command, 2)
        on(self.command.click, command, [*inputs, *more], [self.said, self.line], quiet=True)
