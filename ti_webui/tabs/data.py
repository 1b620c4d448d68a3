"""Data: from photographs to images with captions, and what is wrong with them."""

from __future__ import annotations

import gradio as gr

from ..gradio_versions import on, text_line
from ..studio import Studio
from . import data_captions, data_checkup, data_preprocess

_FOLDER = "the same setting as in Train; a change in one tab appears in the other"


def build(studio: Studio) -> None:
    """Fill the tab."""
    looks = {"placeholder": "Path to directory with input images", "render": False}
    folder = text_line("Dataset directory", "ti_data_folder", info=_FOLDER, **looks)
    with gr.Tabs(elem_id="ti_data_tabs"):
        with gr.Tab("Preprocess images", elem_id="ti_tab_preprocess"):
            data_preprocess.build(studio, folder)
        with gr.Tab("Captions and checkup", elem_id="ti_tab_captions"):
            folder.render()
            data_checkup.build(studio, folder)
            data_captions.build(studio, folder)
    _bind_folder(studio, folder)


def _bind_folder(studio: Studio, folder: gr.Textbox) -> None:
    """One folder for Train and Data; the events are such that they do not chase each other."""
    if studio.shared is None:
        return
    trained = studio.shared.dataset_dir
    on(trained.change, lambda text: text, [trained], [folder], quiet=True)
    for left in (folder.submit, folder.blur):
        on(left, lambda text: text, [folder], [trained], quiet=True)
