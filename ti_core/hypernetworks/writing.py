"""Writes hypernetworks: A1111's `.pt`, which ComfyUI reads as well, and `.safetensors` of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import HypernetworkError
from ..files import safetensors_file, torch_zip
from ..files.atomic import write_bytes
from ..files.torch_zip import Value
from .fields import fields_of
from .hypernetwork import Hypernetwork, prefixes
from .reading import FIELDS

ENDINGS = (".pt", ".safetensors")
"""A1111 and ComfyUI look for the first; the second is ours."""


def write_hypernetwork(path: Path, hypernetwork: Hypernetwork) -> None:
    """Write it atomically, with its numbers as they are, in the format of the path's ending.

    Raises HypernetworkError for values that are not finite and for other endings, StorageError.
    """
    write_bytes(path, hypernetwork_bytes(hypernetwork, path.suffix.lower()))


def hypernetwork_bytes(hypernetwork: Hypernetwork, ending: str = ".pt") -> bytes:
    """The content of a file with this ending; equal hypernetworks give equal bytes."""
    if ending not in ENDINGS:
        fix = f"use one of {', '.join(ENDINGS)}"
        raise HypernetworkError(f"{hypernetwork.name}{ending} has an unknown ending", "", fix)
    tensors = _checked(hypernetwork)
    fields = fields_of(hypernetwork)
    if ending == ".safetensors":
        notes = {**hypernetwork.metadata, FIELDS: json.dumps(fields, sort_keys=True)}
        return safetensors_file.to_bytes(tensors, notes)
    modules = {
        width: tuple(_module(tensors, prefix) for prefix in prefixes(width))
        for width in hypernetwork.widths
    }
    return torch_zip.to_bytes({**modules, **fields}, hypernetwork.metadata)


def _checked(hypernetwork: Hypernetwork) -> dict[str, Tensor]:
    tensors = {key: each.detach().cpu() for key, each in hypernetwork.tensors.items()}
    if not all(torch.isfinite(each).all() for each in tensors.values()):
        why = "its numbers are not finite"
        fix = "use an earlier copy of it"
        raise HypernetworkError(f"{hypernetwork.name} is not saved", why, fix)
    return tensors


def _module(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Value]:
    """A module's `state_dict`. ComfyUI takes the layers in this order, A1111's."""
    start = f"{prefix}."
    return {key.removeprefix(start): each for key, each in tensors.items() if key.startswith(start)}
