"""An embedding and its file: a few vectors per text encoder under a name.

Written: `.safetensors` with exactly one tensor `emb_params` (SD1, SD2), or exactly `clip_l` and
`clip_g` (SDXL), which A1111, Forge, ComfyUI, kohya and diffusers load. Everything else is
metadata: the ModelSpec 1.0.1 keys, and ours under `ti.`. `reading` reads it, and every other
program's files.
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

from ..errors import EmbeddingError
from .safetensors_file import write_safetensors

ONE_ENCODER = "emb_params"
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
