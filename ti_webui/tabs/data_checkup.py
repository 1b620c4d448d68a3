"""Checkup: what would spoil a training, found in the images and captions."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr

from ti_core.checkup.finding import Finding
from ti_core.checkup.run import Report, check_folder
from ti_core.errors import ConfigError, HostError, TIError
from ti_core.options import SettingValues, make_config
from ti_core.port.session import Host
from ti_core.train.config import TrainConfig
from ti_core.train.dry_run import first_prompts
from ti_core.train.preflight import checkup_input

from .. import markup, tables
from ..embeddings import all_names
from ..gradio_versions import on
from ..studio import Studio

_UNNAMED = "unnamed"


def build(studio: Studio, folder: gr.Textbox) -> None:
    """Fill its part of the tab."""
    with gr.Row():
        button = gr.Button("Check the images", elem_id="ti_checkup_button")
    report = gr.HTML("", elem_id="ti_checkup")

    def bind() -> None:
        form = studio.shared.form if studio.shared else None

        def press(folder: str, *values: object) -> str:
            return checkup_html(studio, folder, form.settings(values) if form else {})

        inputs = [folder, *(form.inputs if form else [])]
        on(button.click, markup.with_error_box(press), inputs, [report])

    if studio.shared:
        studio.shared.later.append(bind)
    else:
        bind()


def checkup_html(studio: Studio, folder: str, settings: SettingValues) -> str:
    """The findings as HTML, for what is set on Train: word, sizes, template, masks and so on.
    Raises ConfigError without a folder, or for a setting that is not possible."""
    folder, name = (folder or "").strip(), str(settings.get("token_string") or "").strip()
    if not folder:
        raise ConfigError("there is no dataset directory", "", "name the folder with the images")
    here = {"train_data_dir": folder, "dataset_config": "", "token_string": name or _UNNAMED}
    asked = {**settings, **here}
    config = studio.places().checked(make_config(TrainConfig, asked))
    host = _host(studio)
    taken = [other for other in all_names(studio) if other != name]
    inputs = checkup_input(config, host, taken)
    report = check_folder(inputs if name else replace(inputs, name=""))
    return _head(report) + markup.findings(_apart_from_the_run(report)) + _prompts(config, host)


def _host(studio: Studio) -> Host | None:
    try:
        return studio.host()
    except HostError:
        return None  # tokens are not counted then, and the checkup says so


_OF_THE_RUN = ("schedule", "disk_space", "memory")


def _apart_from_the_run(report: Report) -> list[Finding]:
    """What is said of a training that was not asked for yet belongs to Train."""
    return [finding for finding in report.findings if finding.rule not in _OF_THE_RUN]


def _head(report: Report) -> str:
    found = _apart_from_the_run(report)
    counts = {kind: sum(f.severity == kind for f in found) for kind in ("error", "warning", "hint")}
    said = ", ".join(f"{number} {kind}(s)" for kind, number in counts.items() if number)
    kind = "error" if counts["error"] else "warning" if counts["warning"] else "good"
    return markup.box(kind, f"{report.pictures} image(s): {said or 'nothing is wrong'}")


def _prompts(config: TrainConfig, host: Host | None) -> str:
    """What the text encoder gets for the first images, token by token."""
    if host is None:
        return ""
    try:
        found = first_prompts(config, host)
    except TIError as error:
        return markup.box("note", f"no prompts can be shown: {markup.with_labels(str(error))}")
    rows = [
        (one.path.name, one.prompt, " ".join(one.tokens), f"{len(one.token_ids)} of {one.capacity}")
        for one in found
    ]
    table = tables.table(("image", "prompt", "tokens", "tokens used"), rows)
    return tables.folded(f"Prompts of the first {len(rows)} images, as they are learned", table)
