"""The user's settings, as a section of a web UI's Settings page."""

from __future__ import annotations

import dataclasses
import logging

import gradio as gr
from modules import shared

from ti_core.errors import ConfigError
from ti_core.options import SettingValues, about, choices_of, make_config

from .studio import Settings

_PREFIX = "ti_studio_"
_SECTION = ("ti_studio", "Textual Inversion Studio")
_log = logging.getLogger(__name__)


def add_settings() -> None:
    """Declare them; called once at start and at every reload of the page."""
    for field in dataclasses.fields(Settings):
        described = about(field)
        component, arguments = _component(field)
        info = shared.OptionInfo(
            field.default, described.label, component, arguments, section=_SECTION
        )
        shared.opts.add_option(_PREFIX + field.name, info.info(described.help))


def read_settings() -> Settings:
    """What the user has chosen; the default of each that is not possible."""
    chosen: SettingValues = {}
    for field in dataclasses.fields(Settings):
        one = {field.name: shared.opts.data.get(_PREFIX + field.name, field.default)}
        try:
            make_config(Settings, one)
        except ConfigError as error:
            _log.warning("settings of Textual Inversion Studio: %s", error)
            one = {field.name: field.default}
        chosen |= one
    return make_config(Settings, chosen)


def _component(field: dataclasses.Field[object]) -> tuple[type, dict[str, object]]:
    """What the Settings page shows, and how it is made."""
    if choices := choices_of(Settings, field):
        return gr.Radio, {"choices": list(choices)}
    return (gr.Number, {"precision": 0}) if isinstance(field.default, int) else (gr.Textbox, {})
