"""Photographs become images that can be trained on."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
from comfy_api.latest import io

from ...ti_core.data.pictures import list_images
from ...ti_core.data.preprocess.config import (
    AutosizeConfig,
    CaptionConfig,
    FocalConfig,
    PreprocessConfig,
    SplitConfig,
)
from ...ti_core.data.preprocess.events import PictureDone, Skipped
from ...ti_core.data.preprocess.events import Started as PreprocessStarted
from ...ti_core.data.preprocess.job import preprocess
from ...ti_core.errors import ConfigError, DataError
from ...ti_core.events import Event
from ...ti_core.files.names import checked_name
from ..node import Node, finite, node_text, schema
from ..places import fingerprint, input_dir, inside, temp_dir
from ..sockets import DatasetSocket, DatasetValue
from ..widgets import values_of, widgets
from .dataset import dataset_output

_COPIED = CaptionConfig(existing_caption="copy")
"""Captions of the originals belong to what is made of them."""


class Preprocess(Node):
    """Photographs become images of one size, in a folder of their own."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "Preprocess",
            "Preprocess Images",
            "Turns photographs into training images of one size: upright, cropped, split, "
            "mirrored. The originals stay as they are. Settings are those of A1111's Preprocess "
            "images.",
            search_aliases=["crop", "resize", "focal point", "flip", "training images", "TI"],
            inputs=[
                DatasetSocket.Input("dataset", tooltip="The photographs."),
                *widgets(
                    PreprocessConfig, "width", "height", "resize_mode", "flip", "keep_original_size"
                ),
                *widgets(SplitConfig, "split", "split_threshold", "overlap_ratio"),
                *widgets(FocalConfig, "focal_crop"),
                *widgets(AutosizeConfig, "multicrop"),
                io.String.Input(
                    "save_to",
                    display_name="Save to",
                    default="",
                    tooltip="Name of a new folder in ComfyUI's input folder for the result. Empty: "
                    "a temporary one.",
                ),
            ],
            outputs=[dataset_output()],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(
        cls, split_threshold: float | None = None, overlap_ratio: float | None = None
    ) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(split_threshold=split_threshold, overlap_ratio=overlap_ratio)

    @classmethod
    def work(cls, dataset: DatasetValue, save_to: str, **options: Any) -> io.NodeOutput:
        """See the class."""
        config = PreprocessConfig(
            **values_of(PreprocessConfig, options),
            split_images=SplitConfig(**values_of(SplitConfig, options)),
            focal_point=FocalConfig(**values_of(FocalConfig, options)),
            auto_size=AutosizeConfig(**values_of(AutosizeConfig, options)),
            captions=_COPIED,
        )
        source = Path(dataset.data.train_data_dir)
        destination = _destination(save_to, source, config)
        told = _Told(cls.hidden.unique_id)
        done = preprocess(source, destination, config, told, _interrupted)
        comfy.model_management.throw_exception_if_processing_interrupted()
        if not done.written:
            raise DataError("no image was made", "; ".join(told.lines), "look at the dataset")
        data = dataclasses.replace(dataset.data, train_data_dir=str(destination))
        lines = [f"{done.written} image(s) made of {done.pictures}", *told.lines]
        return io.NodeOutput(
            DatasetValue(data, len(list_images(destination))), ui=node_text("\n".join(lines))
        )


def _interrupted() -> bool:
    return bool(comfy.model_management.processing_interrupted())


def _destination(save_to: str, source: Path, config: PreprocessConfig) -> Path:
    """A new folder, or a temporary one that is named by what goes in. Raises ConfigError."""
    if save_to.strip():
        folder = inside(input_dir(), checked_name(save_to.strip()), "input")
        if folder.exists() and any(folder.iterdir()):
            fix = "choose another name, or use that folder as it is"
            raise ConfigError(f"the folder {save_to!r} is not empty", "", fix)
        return folder
    key = f"{fingerprint(source)}{source}{config}"
    return temp_dir() / f"preprocessed-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


class _Told:
    """Listens to preprocessing: progress on the node, notes for the user."""

    def __init__(self, node: str | None) -> None:
        self.node, self.lines = node, list[str]()
        self.bar: comfy.utils.ProgressBar | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, PreprocessStarted):
            self.bar = comfy.utils.ProgressBar(max(1, event.total), node_id=self.node)
        elif isinstance(event, (PictureDone, Skipped)):
            if isinstance(event, Skipped) or event.notes:
                self.lines.append(str(event))
            if self.bar is not None and not _interrupted():
                self.bar.update(1)
