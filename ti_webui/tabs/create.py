"""Create: an embedding made from words, ready to be used or trained."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from ti_core.errors import TIError
from ti_core.files.formats import A1111_TRAINS
from ti_core.train.config import EmbeddingConfig, OutputConfig

from .. import markup, tables
from ..creation import start_creation
from ..embeddings import embeddings_update
from ..forms import Form
from ..gradio_versions import Updates, html, on
from ..studio import Studio

_ABOUT = (
    "<p>A new embedding means what its initialization text means, until it is trained. "
    "To train a new word right away, enter it in Train: you do not have to create an embedding "
    "first.</p>"
)
_SHOWN = ("token_string", "init_word", "num_vectors_per_token")
_LABELS = markup.labels_of(EmbeddingConfig, OutputConfig)
_FOLDED = ("init_rule", "init_from", "metadata_license", "metadata_is_negative_embedding")


def build(studio: Studio) -> None:
    """Fill the tab."""
    form = Form(EmbeddingConfig, "ti_create")
    gr.HTML(_ABOUT)
    with gr.Row(), gr.Column(scale=3):
        for name in _SHOWN:
            form.add(name)
        overwrite = gr.Checkbox(
            False, label="Overwrite Old Embedding", elem_id="ti_create_overwrite"
        )
        with gr.Accordion("More", open=False):
            for name in _FOLDED:
                form.add(name)
        button = gr.Button("Create embedding", variant="primary", elem_id="ti_create_button")
        message = html(elem_id="ti_create_message")

    def click(overwrite: bool, *values: object) -> Updates:
        return create(studio, form, overwrite, values)

    outputs = [message, studio.shared.embedding] if studio.shared else [message]
    on(button.click, click, [overwrite, *form.inputs], outputs)


def create(
    studio: Studio, form: Form[EmbeddingConfig], overwrite: bool, values: Sequence[object]
) -> Updates:
    """Make it: [what to say, update of Train's dropdown]."""
    try:
        job = start_creation(studio, form.config(form.settings(values)), overwrite)
    except TIError as error:
        return [markup.error_box(error, _LABELS), gr.update()]
    job.wait()
    progress = job.progress
    told = markup.notices(progress.notices)
    if progress.result is None:
        return [markup.error_box(progress.error, _LABELS) + told, gr.update()]
    name = progress.result.stem
    done = f"{progress.result} is made; write {name} in a prompt, or train it"
    there = tables.fine(f"{A1111_TRAINS}: for that, convert it to pt in Library.")
    return [markup.box("good", done) + there + told, embeddings_update(studio, name)]
