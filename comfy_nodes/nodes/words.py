"""What stands beside the images, and what would spoil a training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import comfy.model_management
from comfy_api.latest import io

from ...ti_core.data.captions import read_caption
from ...ti_core.errors import DataError, EmbeddingError
from ...ti_core.files.embedding import Embedding
from ...ti_core.port.session import Host
from ...ti_core.train.config import TrainConfig
from ..kinds import embedding_config
from ..loaded_model import Clip, Model, host_of
from ..node import Node, node_text, plain_text, schema
from ..places import embedding_files
from ..sockets import DatasetSocket, DatasetValue, EmbeddingSocket, SettingsSocket, SettingsValue
from .dataset import pictures_of

if TYPE_CHECKING:
    from ...ti_core.checkup.inputs import CheckupInput
    from ...ti_core.checkup.run import Report

_MOST_SHOWN = 200


class CaptionList(Node):
    """The captions of a dataset, as a list for other nodes and to be read."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "CaptionList",
            "Caption List",
            "Shows the caption of every image: its text file, else the words of its name.",
            is_output_node=True,
            search_aliases=["captions", "textual inversion", "filewords", "training text"],
            inputs=[DatasetSocket.Input("dataset", tooltip="Whose captions.")],
            outputs=[
                io.String.Output(
                    display_name="captions",
                    is_output_list=True,
                    tooltip="One text for each image, in the order of their names.",
                ),
                io.String.Output(
                    display_name="names",
                    is_output_list=True,
                    tooltip="The images' file names, in the same order.",
                ),
            ],
        )

    @classmethod
    def work(cls, dataset: DatasetValue) -> io.NodeOutput:
        """See the class."""
        data, names, captions, lines = dataset.data, [], [], []
        for path in pictures_of(data):
            caption = read_caption(path, data.caption_extension)
            names.append(path.name)
            captions.append(caption.text)
            source = "" if caption.from_file else "  (from its name)"
            lines.append(f"{path.name}: {caption.text}{source}")
        more = len(lines) - _MOST_SHOWN
        lines = lines[:_MOST_SHOWN] + ([f"… and {more} more"] if more > 0 else [])
        return io.NodeOutput(captions, names, ui=node_text("\n".join(lines)))


class CheckDataset(Node):
    """What would spoil a training, told in seconds."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "CheckDataset",
            "Check Dataset",
            "Checks every image and caption for what would spoil the training: blurred, small "
            "and duplicate images, captions without the new word, too many tokens.",
            is_output_node=True,
            search_aliases=["validate dataset", "textual inversion", "lint", "checkup"],
            inputs=[
                DatasetSocket.Input("dataset", tooltip="What to look at."),
                io.Boolean.Input(
                    "stop_on_errors",
                    display_name="Stop on errors",
                    default=True,
                    tooltip="End the run here when something is wrong, so that nodes connected to "
                    "the dataset output do not run.",
                ),
                EmbeddingSocket.Input(
                    "embedding",
                    optional=True,
                    tooltip="The embedding to train: its name and vectors are checked.",
                ),
                SettingsSocket.Input("settings", optional=True, tooltip="How it is to be trained."),
                io.Model.Input(
                    "model", optional=True, tooltip="With CLIP: counts tokens and estimates memory."
                ),
                io.Clip.Input(
                    "clip", optional=True, tooltip="With MODEL: counts tokens and estimates memory."
                ),
            ],
            outputs=[
                DatasetSocket.Output(display_name="dataset", tooltip="The same dataset, checked."),
                io.String.Output(display_name="report", tooltip="Everything that was found."),
                io.Boolean.Output(display_name="ok", tooltip="Nothing in it is an error."),
            ],
        )

    @classmethod
    def work(
        cls,
        dataset: DatasetValue,
        stop_on_errors: bool,
        embedding: Embedding | None = None,
        settings: SettingsValue | None = None,
        model: Model = None,
        clip: Clip = None,
    ) -> io.NodeOutput:
        """See the class."""
        from ...ti_core.checkup.run import check_folder  # ComfyUI starts sooner without it
        from ...ti_core.train.preflight import checkup_input

        host = host_of(model, clip) if model is not None and clip is not None else None
        name, count = (embedding.name, embedding.count) if embedding else ("unnamed", 1)
        config = embedding_config(name, count, dataset.data, settings or SettingsValue())
        taken = [Path(file).stem for file in embedding_files()]
        inputs = checkup_input(config, host, taken, _free_memory())
        report = check_folder(inputs if embedding else _nameless(inputs))
        text = report_text(report) + (_prompts_text(config, host) if host and embedding else "")
        if stop_on_errors and not report.ok:
            raise DataError("the dataset cannot be trained on", text)
        return io.NodeOutput(dataset, text, report.ok, ui=node_text(text))


def report_text(report: Report) -> str:
    """A report for people: a line for each finding, what to do below it."""
    lines = [f"{report.pictures} image(s), {len(report.findings)} finding(s)"]
    for finding in report.findings:
        files = ", ".join(finding.files[:5])
        where = f" ({files})" if files else ""
        lines.append(f"{finding.severity}: {finding.what}{where}")
        lines += [f"   {text}" for text in (finding.why, finding.fix) if text]
    return plain_text("\n".join(lines))


def _prompts_text(config: TrainConfig, host: Host) -> str:
    """The first prompts and their tokens; nothing where there is nothing to train on."""
    from ...ti_core.train.dry_run import first_prompts

    try:
        shown = first_prompts(config, host)
    except (DataError, EmbeddingError):
        return ""  # the report says why
    lines = [f"{each.prompt}\n   {' '.join(each.tokens)}" for each in shown]
    return plain_text("".join(f"\nprompt: {line}" for line in lines))


def _nameless(inputs: CheckupInput) -> CheckupInput:
    return dataclasses.replace(inputs, name="")


def _free_memory() -> int:
    return int(comfy.model_management.get_free_memory())
