"""Images with captions: from a folder, from the graph, and made ready to be trained on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ...ti_core.data.config import BucketConfig, DataConfig, TagConfig
from ...ti_core.data.folders import folders_of
from ...ti_core.data.pictures import list_images
from ...ti_core.data.templates import SHIPPED
from ...ti_core.errors import ConfigError, DataError, setting
from ...ti_core.files.atomic import write_bytes
from ..node import Node, finite, node_text, schema
from ..pictures import from_comfy, png
from ..places import fingerprint, inside, picture_folder, picture_folders, temp_dir, text_file
from ..sockets import DatasetSocket, DatasetValue
from ..widgets import make, optional, values_of, widget, widgets

MOST_TRAINING_PICTURES = 2000
"""More than any textual inversion needs; a folder with more is somebody's archive."""
_MOST_SIDE = 4096
_MOST_TEXT = 100_000
_LARGEST_BUCKET = 2048
_NO_FOLDERS = "(make a folder with images in input)"
_TEMPLATES = ("auto", "captions", *SHIPPED)


def _reading_inputs() -> list[io.Input]:
    """How images and captions are read: the same for every node that makes a dataset."""
    side = {"step": 8, "min": 0, "max": 2048, "default": 0}
    told = "of the training images; 0 is the size that the model was made for (px)."
    return [
        make(io.Int.Input, "width", display_name="Width", tooltip=f"Width {told}", **side),
        make(io.Int.Input, "height", display_name="Height", tooltip=f"Height {told}", **side),
        widget(DataConfig, "resize_mode"),
        widget(
            DataConfig,
            "prompt_template",
            choices=_TEMPLATES,
            help="the prompts to train on: 'captions' takes each caption as it is; 'auto' does so "
            "if every caption contains the embedding's name, and otherwise uses subject_filewords, "
            "or subject without captions; style is for a style",
        ),
        io.String.Input(
            "template_lines",
            display_name="Own template",
            multiline=True,
            placeholder="a photo of [name], [filewords]",
            default="",
            optional=True,
            tooltip="Your own prompts instead of the template, one per line: [name] is the "
            "embedding, [filewords] the image's caption.",
        ),
        *optional(widgets(DataConfig, "template_choice", "latent_sampling_method")),
    ]


def _dataset(folder: Path, options: dict[str, Any]) -> DatasetValue:
    """The settings that the inputs of `_reading_inputs` mean, for a folder.

    Raises ConfigError for values that the front end would not send, DataError without images.
    """
    options = dict(options)
    sides = options.pop("width", 0), options.pop("height", 0)
    lines = options.pop("template_lines", "") or ""
    if options.get("prompt_template", "auto") not in _TEMPLATES:
        raise ConfigError("there is no such template", "", f"choose one of {', '.join(_TEMPLATES)}")
    if len(lines) > _MOST_TEXT:
        raise ConfigError("the template is too long", "", f"use {_MOST_TEXT:,} characters at most")
    if lines.strip():
        options["prompt_template"] = str(text_file(lines))
    values = {**values_of(DataConfig, options), "resolution": _resolution(*sides)}
    data = DataConfig(train_data_dir=str(folder), **values)
    count = len(pictures_of(data))
    if count > MOST_TRAINING_PICTURES:
        why = f"{MOST_TRAINING_PICTURES} are possible; a word is learned from 3 to 30"
        raise DataError(
            f"the folder holds {count} images", why, "put some into a folder of their own"
        )
    return DatasetValue(data, count)


def pictures_of(data: DataConfig) -> list[Path]:
    """The images of a dataset, in one folder or in kohya's numbered ones.

    Raises ConfigError when a link leads out of the folder, DataError without images.
    """
    top, found = Path(data.train_data_dir), list[Path]()
    for folder in folders_of(data).folders:
        inside(top, str(folder.path.relative_to(top)), "dataset's")
        found += list_images(folder.path)
    return found


def _resolution(width: int, height: int) -> tuple[int, int] | None:
    if not width and not height:
        return None
    return (width or height, height or width)


class DatasetFromFolder(Node):
    """Images below ComfyUI's input folder, captions beside them as .txt files."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "DatasetFromFolder",
            "Training Dataset (folder)",
            "Images to train on: a folder inside of ComfyUI's input folder. A text file of the "
            "same name holds an image's caption.",
            search_aliases=["textual inversion", "training images", "dataset", "captions", "TI"],
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=picture_folders() or [_NO_FOLDERS],
                    display_name="Folder",
                    tooltip="A folder with images inside of ComfyUI's input folder, or the "
                    "images directly in that. New folders appear after a refresh (key R); the "
                    "button below makes one from files of yours.",
                ),
                *_reading_inputs(),
            ],
            outputs=[dataset_output()],
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str | None = None, **others: object) -> str:
        """An image or caption that changes makes another dataset."""
        try:
            return fingerprint(picture_folder(folder or ""))
        except ConfigError:
            return ""

    @classmethod
    def work(cls, folder: str, **options: Any) -> io.NodeOutput:
        """See the class."""
        made = _dataset(picture_folder(folder), options)
        return io.NodeOutput(made, ui=node_text(f"{made.pictures} image(s)"))


class DatasetFromImages(Node):
    """Images that come through the graph, with captions from any node that makes text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "DatasetFromImages",
            "Training Dataset (images)",
            "Images to train on from any node, as a batch or a list, with a list of captions.",
            is_input_list=True,
            search_aliases=["textual inversion", "training images", "dataset from batch", "TI"],
            inputs=[
                io.Image.Input("images", tooltip="A batch, or a list of images of any size."),
                io.String.Input(
                    "captions",
                    display_name="Captions",
                    optional=True,
                    force_input=True,
                    tooltip="One text for each image, or one for all; [name] in it stands for "
                    "the embedding.",
                ),
                *_reading_inputs(),
            ],
            outputs=[dataset_output()],
        )

    @classmethod
    def work(
        cls, images: list[Tensor], captions: list[str] | None = None, **options: list[Any]
    ) -> io.NodeOutput:
        """See the class."""
        pictures = list(_pictures(images))
        words = _captions_for(pictures, captions or [])
        folder = _written(pictures, words)
        made = _dataset(folder, {key: value[0] for key, value in options.items() if value})
        return io.NodeOutput(made, ui=node_text(f"{made.pictures} image(s)"))


def _pictures(images: Sequence[Tensor]) -> Iterator[Image.Image]:
    count = 0
    for batch in images:
        count += len(batch)
        if count > MOST_TRAINING_PICTURES or max(batch.shape[1:3]) > _MOST_SIDE:
            raise DataError(
                "the images are too many or too large",
                f"{MOST_TRAINING_PICTURES} images with sides up to {_MOST_SIDE} are possible",
                "leave some out, or scale them down",
            )
        yield from from_comfy(batch)


def _captions_for(pictures: Sequence[object], captions: Sequence[str]) -> list[str]:
    if len(captions) <= 1:
        return [*captions, *[""] * (1 - len(captions))] * len(pictures)
    if len(captions) != len(pictures):
        raise DataError(
            f"there are {len(captions)} captions for {len(pictures)} images",
            "",
            "give one for each, one for all, or none",
        )
    return list(captions)


def _written(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Path:
    """A folder whose name is its content: the same images and words are written once only."""
    files = {}
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        if caption.strip():
            files[f"{number:04d}.txt"] = caption[:_MOST_TEXT].encode(errors="replace")
        files[f"{number:04d}.png"] = png(picture)
    digest = hashlib.sha256()
    for name, data in files.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    folder = temp_dir() / f"images-{digest.hexdigest()[:20]}"
    for name, data in files.items():
        if not (folder / name).exists():
            write_bytes(folder / name, data)
    return folder


class DatasetOptions(Node):
    """What most datasets do without."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "DatasetOptions",
            "Training Dataset (advanced)",
            "Captions that vary from step to step, several sizes, mirrored images, masks. Goes "
            "after a dataset.",
            search_aliases=["buckets", "shuffle tags", "masked loss", "augmentation", "dropout"],
            inputs=[
                DatasetSocket.Input("dataset", tooltip="The dataset that this node adds to."),
                *widgets(
                    TagConfig,
                    "insert_trigger",
                    "shuffle_caption",
                    "keep_tokens",
                    "caption_tag_dropout_rate",
                    "caption_dropout_rate",
                    "caption_prefix",
                    "caption_suffix",
                ),
                *widgets(DataConfig, "flip_aug", "masked_loss", "mask_scale"),
                *widgets(BucketConfig, "enable_bucket", "varsize"),
                widget(BucketConfig, "min_bucket_reso", most=_LARGEST_BUCKET),
                widget(BucketConfig, "max_bucket_reso", most=_LARGEST_BUCKET),
                *widgets(BucketConfig, "bucket_reso_steps", "bucket_no_upscale"),
                *optional(
                    widgets(
                        DataConfig,
                        "caption_lines",
                        "filename_word_regex",
                        "filename_join_string",
                        "color_aug",
                    )
                ),
            ],
            outputs=[dataset_output()],
        )

    @classmethod
    def validate_inputs(
        cls,
        caption_tag_dropout_rate: float | None = None,
        caption_dropout_rate: float | None = None,
    ) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(
            caption_tag_dropout_rate=caption_tag_dropout_rate,
            caption_dropout_rate=caption_dropout_rate,
        )

    @classmethod
    def work(cls, dataset: DatasetValue, **options: Any) -> io.NodeOutput:
        """See the class."""
        if options["max_bucket_reso"] > _LARGEST_BUCKET:
            what = f"{setting('max_bucket_reso')} is {options['max_bucket_reso']}"
            raise ConfigError(what, "", f"the largest possible value is {_LARGEST_BUCKET}")
        if any(len(options[key]) > _MOST_TEXT for key in ("caption_prefix", "caption_suffix")):
            raise ConfigError("the text around captions is too long", "", "shorten it")
        data = dataclasses.replace(
            dataset.data,
            tags=TagConfig(**values_of(TagConfig, options)),
            sizes=BucketConfig(**values_of(BucketConfig, options)),
            **values_of(DataConfig, options),
        )
        return io.NodeOutput(dataclasses.replace(dataset, data=data))


def dataset_output() -> io.Output:
    """The output of every node that makes a dataset."""
    return DatasetSocket.Output(display_name="dataset", tooltip="Images and captions to train on.")
