"""From the cables of a graph to a `Host` of the core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE

from ..ti_core.errors import NoModelError
from ..ti_core.port.session import Host
from .places import embeddings_dirs

Model = ModelPatcher | None
Clip = CLIP | None
Vae = VAE | None
"""What ComfyUI's own cables carry; a part that the checkpoint does not hold is None."""
_LOADER_INPUTS = ("ckpt_name", "unet_name", "model_name", "config_name")


def host_of(model: Model, clip: Clip, vae: Vae = None, name: str = "") -> Host:
    """The loaded model as a host; without a VAE nothing can be trained or shown.

    Raises NoModelError where an input is empty, UnsupportedModelError for what cannot be trained.
    """
    if model is None or clip is None:
        raise NoModelError(
            f"the {'MODEL' if model is None else 'CLIP'} input is empty",
            "the checkpoint contains none, or the loader could not find it",
            "connect the loader of a whole checkpoint",
        )
    from .host.host import ComfyHost  # its half of ComfyUI is needed only when a model is at hand

    return ComfyHost(model, clip, vae, name, embeddings_dirs()[0])


def checkpoint_name(prompt: Mapping[str, Any] | None, node: str | None) -> str:
    """The file that the MODEL of a node comes from, by walking the graph up; "" if unknown.

    `prompt` is ComfyUI's: node number → {"class_type", "inputs"}; an input that is a cable is
    [node, output].
    """
    nodes = prompt or {}
    todo, seen = [str(node)], set[str]()
    while todo:
        number = todo.pop(0)
        if number in seen or number not in nodes:
            continue
        seen.add(number)
        inputs = nodes[number].get("inputs", {})
        for key in _LOADER_INPUTS:
            if isinstance(inputs.get(key), str):
                return PurePath(inputs[key].replace("\\", "/")).stem
        first = ("model", "clip")
        cables = sorted(inputs.items(), key=lambda item: item[0] not in first)
        todo += [str(value[0]) for _, value in cables if isinstance(value, list) and value]
    return ""
