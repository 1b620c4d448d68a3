"""From the cables of a graph to a `Host` of the core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from ..ti_core.errors import HostError
from ..ti_core.port.session import Host
from .places import embeddings_dirs

_LOADER_INPUTS = ("ckpt_name", "unet_name", "model_name", "config_name")


def lent(model: Any, clip: Any, vae: Any = None, name: str = "") -> Host:
    """The loaded model as a host; without a VAE nothing can be trained or shown.

    Raises HostError for what cannot be trained.
    """
    for value, what in ((model, "MODEL"), (clip, "CLIP")):
        if value is None:
            raise HostError(
                f"the {what} input is empty",
                "the checkpoint holds none, or the loader could not find it",
                "connect the loader of a whole checkpoint",
            )
    from .host.host import ComfyHost  # its half of ComfyUI is needed only when a model is at hand

    host: Host = ComfyHost(model, clip, vae, name, embeddings_dirs()[0])
    return host


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
