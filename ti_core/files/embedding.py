"""An embedding and its file: a few vectors per text encoder under a name.

In a file: exactly one tensor `emb_params` (SD1, SD2), exactly `clip_l` and `clip_g` (SDXL), or the
tables of other models under the keys that ComfyUI looks for (`families`). Everything else is
metadata: the ModelSpec 1.0.1 keys, and ours under `ti.`. `writing` writes it in every program's
format, `reading` reads all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import EmbeddingError, setting
from ..families import ENCODER_KEYS, OUTPUT, label_of
from ..port.prompt import TOKENS_PER_CHUNK

if TYPE_CHECKING:
    from torch import Tensor

ONE_ENCODER = "emb_params"
MOST_VECTORS = 1024
"""In a file that is read or written; prompts have room for fewer (`long_for_prompts`)."""
LICENCE, NEGATIVE = "modelspec.license", "modelspec.is_negative_embedding"
"""Metadata that its maker gives."""
OF_ALL_TABLES = ("modelspec.architecture", "modelspec.hash_sha256")
"""Metadata that is true only of a file's tables together."""


@dataclass(frozen=True)
class Embedding:
    """Learned vectors under a name."""

    name: str
    vectors: dict[str, Tensor]
    """Key in the file ("emb_params", "clip_l" and "clip_g", "t5xxl"…) → (k, width) fp32 on the
    CPU. Every table of a file is here, whether a model that can be trained has a place for it or
    not."""
    step: int = 0
    """Optimizer updates over its life."""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of vectors; the largest, where encoders have different numbers."""
        return max(map(len, self.vectors.values()))


def is_negative(embedding: Embedding) -> bool:
    """Whether it is meant for the negative prompt, as far as its file tells."""
    return embedding.metadata.get(NEGATIVE, "").lower() == "true"


def long_for_prompts(embedding: Embedding) -> str:
    """A warning when an embedding for CLIP has more vectors than a prompt has room for; else ""."""
    count = embedding.count
    if count <= TOKENS_PER_CHUNK or not set(embedding.vectors) & {ONE_ENCODER, *ENCODER_KEYS}:
        return ""
    room = f"a prompt has room for {TOKENS_PER_CHUNK} in one piece"
    whose = "ComfyUI splits it, other programs cannot use it"
    return f"{embedding.name} has {count} vectors, and {room}: {whose}; make it of fewer words"


def for_encoders(embedding: Embedding, widths: Mapping[str, int], origin: str) -> dict[str, Tensor]:
    """The vectors under the keys of a model's text encoders (encoder key → width).

    Raises EmbeddingError, which names both families, when the embedding was made for another kind
    of model; and when it has another number of vectors for each encoder, which ComfyUI alone uses.
    """
    vectors = embedding.vectors
    error = misfit(widths_of(vectors), widths, origin)
    if error is not None:
        raise error
    _require_equal(vectors, origin)
    alone = len(vectors) == 1
    return dict(zip(widths, vectors.values(), strict=True)) if alone else dict(vectors)


def misfit(
    tables: Mapping[str, int], widths: Mapping[str, int], origin: str
) -> EmbeddingError | None:
    """Why an embedding with these tables (key in the file → width) does not fit a model whose text
    encoders have these widths (encoder key → width); None where it does. `origin` names it."""
    has = dict(tables)
    if set(has) != set(widths) and len(has) == len(widths) == 1 and _is_clip(has):
        has = dict(zip(widths, has.values(), strict=True))
    if has == dict(widths):
        return None
    return EmbeddingError(
        f"{origin} does not fit this model",
        f"it is {_spelled(has)}, the model is {_spelled(widths)}",
        _advice(has, widths),
    )


def _require_equal(vectors: Mapping[str, Tensor], origin: str) -> None:
    counts = {key: len(rows) for key, rows in vectors.items()}
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{key} {count}" for key, count in counts.items())
        least, most = min(counts.values()), max(counts.values())
        raise EmbeddingError(
            f"{origin} contains different numbers of vectors for its text encoders",
            told,
            f"merge it by the expression 'NAME : {least}', which leaves out the others, or "
            f"'NAME : {most}', which fills up with zeros, where NAME is its name",
        )


def widths_of(vectors: Mapping[str, Tensor]) -> dict[str, int]:
    """Key → width of its vectors."""
    return {key: rows.shape[1] for key, rows in vectors.items()}


def _is_clip(vectors: Mapping[str, object]) -> bool:
    return set(vectors) <= {ONE_ENCODER, *ENCODER_KEYS}


def _spelled(widths: Mapping[str, int]) -> str:
    family = label_of(widths)
    numbers = " and ".join(
        f"{key} {width} wide" if len(widths) > 1 else f"{width} wide"
        for key, width in widths.items()
    )
    return f"for {family} ({numbers})" if family else f"of an unknown family ({numbers})"


def _advice(has: Mapping[str, int], wanted: Mapping[str, int]) -> str:
    if set(has.values()) < set(wanted.values()):
        return "if it is one half of two files, join them with ti convert"
    surplus = [key for key in has if key not in wanted]
    if any(key.endswith(OUTPUT) for key in surplus) or set(wanted) < set(has):
        return f"leave {','.join(surplus)} out of it, by {setting('drop')} (ti convert)"
    return "use an embedding made for this family of models"


def half(embedding: Embedding, key: str) -> Embedding:
    """The part for one text encoder, without what is true only of all tables together."""
    told = {name: text for name, text in embedding.metadata.items() if name not in OF_ALL_TABLES}
    return Embedding(embedding.name, {key: embedding.vectors[key]}, embedding.step, told)


def file_keys(vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Encoder keys → the keys that programs expect in a file."""
    if len(vectors) == 1 and _is_clip(vectors):
        return {ONE_ENCODER: next(iter(vectors.values()))}
    return dict(vectors)


def with_metadata(
    embedding: Embedding,
    architecture: str,
    base_model: str,
    base_hash: str,
    config: Mapping[str, object],
    *,
    licence: str = "",
    negative: bool = False,
) -> Embedding:
    """The same embedding with metadata for its file; no date and no path, so that equal runs
    give equal files. `architecture` is `Release.architecture`; empty: not known. `negative`: it is
    meant for the negative prompt."""
    rows = file_keys(embedding.vectors)
    metadata = {
        "modelspec.sai_model_spec": "1.0.1",
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
    if architecture:
        metadata["modelspec.architecture"] = f"{architecture}/textual-inversion"
    if licence:
        metadata[LICENCE] = licence
    if negative:
        metadata[NEGATIVE] = "true"
    return Embedding(embedding.name, embedding.vectors, embedding.step, metadata)


def _tensor_hash(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for _, rows in sorted(tensors.items()):
        digest.update(rows.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
