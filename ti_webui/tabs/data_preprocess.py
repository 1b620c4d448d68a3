"""Preprocess images: A1111's tab of that name, with what it skipped and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from ti_core.data.preprocess.config import (
    AutosizeConfig,
    CaptionConfig,
    FocalConfig,
    PreprocessConfig,
    SplitConfig,
)
from ti_core.data.preprocess.events import Finished, PictureDone, Skipped
from ti_core.data.preprocess.job import preprocess
from ti_core.errors import ConfigError
from ti_core.events import Event
from ti_core.train.progress import JobProgress

from .. import markup, tables
from ..forms import Form
from ..gradio_versions import Updates, component, gallery, on, text_line
from ..job import Job
from ..job_view import Show, bind_job_view, build_job_view
from ..studio import Studio
from ..thumbnails import thumbnails

SettingsForm = Form[PreprocessConfig]
_GROUPS = (
    (SplitConfig, "Split oversized images"),
    (FocalConfig, "Auto focal point crop"),
    (AutosizeConfig, "Auto-sized crop"),
    (CaptionConfig, "Captions"),
)
_SHOWN = 24
"""Images of the result; all of them are in the destination."""
_IDLE = (
    "Turns photographs of any size into training images. The folder they are saved in becomes "
    "the dataset directory."
)


def build(studio: Studio, folder: gr.Textbox) -> None:
    """Fill the tab; `folder` is the dataset directory, which the destination becomes."""
    form = Form(PreprocessConfig, "ti_preprocess")
    with component(gr.Row, equal_height=False):
        with gr.Column(scale=5, min_width=360):
            source, destination = _folders()
            _settings(form)
        with gr.Column(scale=4, min_width=360):
            button = gr.Button("Preprocess", variant="primary", elem_id="ti_preprocess_button")
            message = gr.HTML("", elem_id="ti_preprocess_message")
            view = build_job_view(studio, "preprocess", _IDLE)
            result = gr.HTML("", elem_id="ti_preprocess_result")
            pictures = gallery("Images made", 4, "ti_preprocess_pictures")

    def press(source: str, destination: str, *values: object) -> str:
        start_preprocessing(studio, form, source, destination, values)
        return ""

    inputs = [source, destination, *form.inputs]
    on(button.click, markup.with_error_box(press), inputs, [message], quiet=True)
    trained = [studio.shared.dataset_dir] if studio.shared else []
    bind_job_view(view, message, [result, pictures, folder, *trained], result_view(len(trained)))


def _folders() -> tuple[gr.Textbox, gr.Textbox]:
    hint = "folder with the photographs; it is never written to"
    source = text_line("Source directory", "ti_preprocess_source", placeholder=hint)
    hint = "beside the source, with “-processed” behind its name"
    place = text_line("Destination directory", "ti_preprocess_destination", placeholder=hint)
    return source, place


def _settings(form: SettingsForm) -> None:
    with gr.Row():
        form.add("width")
        form.add("height")
    with gr.Row():
        form.add("flip")
        form.add("keep_original_size")
    with gr.Row():
        for switch in ("split", "focal_crop", "multicrop"):
            form.add(switch)
    form.add("resize_mode")
    for group, title in _GROUPS:
        with gr.Accordion(f"More: {title}", open=False):
            form.add_group(group)


def start_preprocessing(
    studio: Studio, form: SettingsForm, source: str, destination: str, values: Sequence[object]
) -> Job:
    """Begin. Raises ConfigError for settings that are not possible, HostBusyError while a job goes
    on."""
    if not (source or "").strip():
        raise ConfigError("there is no source directory", "", "name the folder with your images")
    places = studio.places()
    config = places.checked(form.config(form.settings(values)))
    here = places.folder(source)
    there = places.within((destination or "").strip() or str(default_destination(here)))

    def work(job: Job) -> Path | None:
        preprocess(here, there, config, job.emit, lambda: job.control.finishing)
        return None

    return studio.jobs.start("preprocess", here.name, work)


def default_destination(source: Path) -> Path:
    """Where the images go when no one said: a folder beside the source."""
    absolute = source.absolute()
    return absolute.with_name(f"{absolute.name}-processed")


def result_view(trained: int) -> Show:
    """What a page shows of the job: result, images, and the folder in as many fields."""

    def show(job: Job, progress: JobProgress) -> Updates:
        if not progress.over:
            return [gr.update(value=""), *(gr.update() for _ in range(2 + trained))]
        events, _ = job.events()
        written = [p for e in events if isinstance(e, PictureDone) for p in e.written]
        where = gr.update(value=str(written[0].parent)) if written else gr.update()
        some = thumbnails((path, path.name) for path in written[:_SHOWN])
        return [
            gr.update(value=summary_html(events)),
            gr.update(value=some),
            *[where] * (1 + trained),
        ]

    return show


def summary_html(events: Sequence[Event]) -> str:
    """How many there are, and which were skipped and why."""
    end = next((event for event in events if isinstance(event, Finished)), None)
    if end is None:
        return ""
    head = f"{end.written} image(s) made of {end.pictures}, {end.skipped} skipped"
    rows = [(event.source.name, event.reason) for event in events if isinstance(event, Skipped)]
    notes = [(e.source.name, "; ".join(e.notes)) for e in events if isinstance(e, PictureDone)]
    skipped = tables.table(("skipped", "why"), rows)
    worth = tables.table(("image", "what to know"), [note for note in notes if note[1]])
    box = markup.box("good" if end.written else "warning", head)
    return box + skipped + tables.folded("Notes about images", worth)
