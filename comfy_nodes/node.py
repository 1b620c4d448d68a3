"""What all our nodes have in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import ClassVar

import torch
from comfy_api.latest import io

from ..ti_core.data.preprocess.config import PreprocessConfig
from ..ti_core.errors import TIError
from ..ti_core.options import Option, setting_names, with_names
from ..ti_core.train.config import BaseTrainConfig, TrainConfig
from .places import hide_folders
from .sockets import CATEGORY
from .widgets import SHORT_LABELS, make


class Node(io.ComfyNode):
    """A node of this pack. `work` does what `execute` does elsewhere.

    ComfyUI runs nodes under `torch.inference_mode()`, whose tensors can take no part in training;
    here they are ordinary ones. Errors are worded for the node they appear on.
    """

    @classmethod
    def execute(cls, **inputs: object) -> io.NodeOutput:
        """See `work`."""
        try:
            with torch.inference_mode(False):
                return cls.work(**inputs)
        except TIError as error:
            raise error.reworded(cls.plain_text) from None

    @classmethod
    def plain_text(cls, text: str) -> str:
        """See `plain_text`."""
        return plain_text(text, cls.trains)

    trains: ClassVar[type[BaseTrainConfig]] = TrainConfig
    """Whose labels its texts name settings by."""

    work: ClassVar[Callable[..., io.NodeOutput]]
    """What the node does; the inputs are those of its schema. Raises TIError."""


def schema(node_id: str, display_name: str, description: str, **more: object) -> io.Schema:
    """A schema in our category, under our prefix."""
    return make(
        io.Schema,
        node_id=f"TI_{node_id}",
        display_name=display_name,
        category=CATEGORY,
        description=description,
        **more,
    )


def finite(**numbers: float | None) -> bool | str:
    """What `validate_inputs` answers for numbers: NaN passes ComfyUI's own checks, and with one in
    its history no browser can read that any more."""
    wrong = [name for name, value in numbers.items() if value is not None and not _is_finite(value)]
    return f"{wrong[0]} is not a number" if wrong else True


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def plain_text(text: str, trains: type[BaseTrainConfig] = TrainConfig) -> str:
    """A text for the user of a node: settings by their labels, and no paths, since the server
    may be another person's machine."""
    return hide_folders(with_names(text, _labels(trains).get))


_DROP = '"Tables to leave out" of Load Embedding'


@cache
def _labels(trains: type[BaseTrainConfig]) -> dict[str, str]:
    def spelled(name: str, known: Option) -> str:
        return f'"{SHORT_LABELS.get(name, known.label)}"'

    found = setting_names(spelled, PreprocessConfig, trains)
    return {**found, "pretrained_model_name_or_path": "MODEL and CLIP", "drop": _DROP}


def node_text(text: str, **more: object) -> dict[str, object]:
    """What the node shows below its inputs: text, and whatever else the front end knows."""
    return {"text": (plain_text(text),), **more}
