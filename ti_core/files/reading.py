"""Reads embedding files of every program by their content; nothing in them is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import EmbeddingError, FileError, UnsafeFileError
from .embedding import ONE_ENCODER, Embedding
from .safetensors_file import read_safetensors
from .torch_pickle import read_torch_file

_MOST_VECTORS = 1024


def read_embedding(path: Path) -> Embedding:
    """Read an embedding file by its content; its name is the file's stem.

    Raises EmbeddingError or UnsafeFileError; never executes anything from the file.
    """
    if not path.is_file():
        raise EmbeddingError(f"there is no embedding {path}", "", "check the path")
    data, metadata = _content(path)
    vectors = {key: _rows(path, key, rows) for key, rows in _tensors(path, data).items()}
    if len({len(rows) for rows in vectors.values()}) != 1:
        raise EmbeddingError(f"{path} holds different numbers of vectors for its text encoders")
    step = str(metadata.get("ti.step", data.get("step") if isinstance(data, dict) else 0))
    known = step.isdecimal() and len(step) < 20
    return Embedding(path.stem, vectors, int(step) if known else 0, metadata)


def _content(path: Path) -> tuple[Any, dict[str, str]]:
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        raise EmbeddingError(f"{path} is empty", "", "copy or download the file again")
    try:
        if start[8:9] == b"{" or path.suffix == ".safetensors":
            return read_safetensors(path)
        return read_torch_file(path), {}
    except UnsafeFileError:
        raise
    except FileError as error:
        raise EmbeddingError(error.what, error.why, error.fix) from error


def _tensors(path: Path, data: Any) -> dict[str, Tensor]:
    """The vectors in a file's content, whichever program wrote it."""
    if not isinstance(data, dict):
        raise EmbeddingError(f"{path} holds no embedding", "it is not a dictionary of tensors")
    if "string_to_param" in data:
        data = data["string_to_param"]
        data = data.get("_parameters", data) if isinstance(data, dict) else {}
    if {"clip_l", "clip_g"} <= set(data):
        return {key: data[key] for key in ("clip_l", "clip_g")}
    tensors = {key: value for key, value in data.items() if isinstance(value, Tensor)}
    if len(tensors) != 1:
        raise EmbeddingError(
            f"{path} holds no embedding",
            f"it has {len(tensors)} tensors where an embedding has one, or clip_l and clip_g",
        )
    key, rows = next(iter(tensors.items()))
    return {key if key in ("clip_l", "clip_g", "clip_h") else ONE_ENCODER: rows}


def _rows(path: Path, key: str, rows: Any) -> Tensor:
    if not isinstance(rows, Tensor) or not rows.is_floating_point() or rows.dim() not in (1, 2):
        raise EmbeddingError(f"{path} holds no embedding", f"{key} is not a table of numbers")
    rows = torch.atleast_2d(rows.detach().float()).clone()
    if not 0 < len(rows) <= _MOST_VECTORS or rows.shape[1] == 0:
        raise EmbeddingError(
            f"{path} holds {len(rows)} vectors of width {rows.shape[1]}",
            "that is no usable embedding",
        )
    if not torch.isfinite(rows).all():
        raise EmbeddingError(f"{path} is damaged", "its vectors are not finite numbers")
    return rows
