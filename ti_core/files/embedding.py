"""An embedding and its file: a few vectors per text encoder under a name.

Written: `.safetensors` with exactly one tensor `emb_params` (SD1, SD2), or exactly `clip_l` and
`clip_g` (SDXL), which A1111, Forge, ComfyUI, kohya and diffusers load. Everything else is
metadata: the ModelSpec 1.0.1 keys, and ours under `ti.`.
Read: that, one tensor under any other name (diffusers), and A1111's and kohya's pickles, which
are never executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import EmbeddingError, FileError, UnsafeFileError
from .safetensors_file import read_safetensors, write_safetensors
from .torch_pickle import read_torch_file

ONE_ENCODER = "emb_params"
_MOST_VECTORS = 1024
_ARCHITECTURE = {
    "sd1": "stable-diffusion-v1/textual-inversion",
    "sd2": "stable-diffusion-v2-512/textual-inversion",
    "sd2-v": "stable-diffusion-v2-768-v/textual-inversion",
    "sdxl": "stable-diffusion-xl-v1-base/textual-inversion",
}


@dataclass(frozen=True)
class Embedding:
    """Learned vectors under a name."""

    name: str
    vectors: dict[str, Tensor]
    """Key in the file ("emb_params", or "clip_l" and "clip_g") → (k, width) fp32 on the CPU."""
    step: int = 0
    """Optimiser updates over its life."""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of vectors, the same for every encoder."""
        return len(next(iter(self.vectors.values())))


def for_encoders(embedding: Embedding, widths: Mapping[str, int], origin: str) -> dict[str, Tensor]:
    """The vectors under the keys of a model's text encoders (encoder key → width).

    Raises EmbeddingError when the embedding was made for another kind of model.
    """
    vectors = embedding.vectors
    if set(vectors) != set(widths) and len(vectors) == len(widths) == 1:
        vectors = dict(zip(widths, vectors.values(), strict=True))
    has = {key: rows.shape[1] for key, rows in vectors.items()}
    if has != dict(widths):
        raise EmbeddingError(
            f"{origin} does not fit this model",
            f"it has {_spelled(has)}, the model wants {_spelled(widths)}",
            "use an embedding made for this family of models",
        )
    return dict(vectors)


def _spelled(widths: Mapping[str, int]) -> str:
    return " and ".join(f"{key} {width} wide" for key, width in widths.items())


def file_keys(vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Encoder keys → the keys that programs expect in a file."""
    if len(vectors) == 1:
        return {ONE_ENCODER: next(iter(vectors.values()))}
    return dict(vectors)


def write_embedding(path: Path, embedding: Embedding) -> None:
    """Write a `.safetensors` file, fp32, atomically; equal embeddings give equal bytes.

    Raises EmbeddingError for NaN or infinite values, StorageError when it cannot be written.
    """
    tensors = {k: v.detach().float().cpu() for k, v in file_keys(embedding.vectors).items()}
    if not all(torch.isfinite(rows).all() for rows in tensors.values()):
        raise EmbeddingError(f"{embedding.name} is not saved", "its vectors are not finite numbers")
    write_safetensors(path, tensors, embedding.metadata)


def describe(
    embedding: Embedding, family: str, base_model: str, base_hash: str, config: Mapping[str, Any]
) -> Embedding:
    """The same embedding with metadata for its file; no date and no path, so that equal runs
    give equal files. `family` is a key of ModelSpec's architectures: sd1, sd2, sd2-v, sdxl."""
    rows = file_keys(embedding.vectors)
    metadata = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": _ARCHITECTURE[family],
        "modelspec.implementation": "textual-inversion-studio",
        "modelspec.title": embedding.name,
        "modelspec.trigger_phrase": embedding.name,
        "modelspec.hash_sha256": "0x" + _tensor_hash(rows),
        "ti.name": embedding.name,
        "ti.step": str(embedding.step),
        "ti.vectors": str(embedding.count),
        "ti.base_model": base_model,
        "ti.base_model_hash": base_hash,
        "ti.config": json.dumps(dict(config), sort_keys=True),
    }
    return Embedding(embedding.name, embedding.vectors, embedding.step, metadata)


def _tensor_hash(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for _, rows in sorted(tensors.items()):
        digest.update(rows.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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
