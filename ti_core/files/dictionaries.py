"""An embedding as the dictionary of tensors that each program keeps in its files."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import EmbeddingError
from .embedding import MOST_VECTORS, ONE_ENCODER, Embedding, file_keys
from .layouts import reads_as_word
from .torch_zip import Value

_STAR_TOKEN = 265
"""CLIP's number of "*", A1111's placeholder for every embedding."""


def checked_rows(embedding: Embedding) -> dict[str, Tensor]:
    """The tables as files hold them: programs' keys, on the CPU, fp32 unless they are half.

    Raises EmbeddingError for NaN and infinite values, which would spoil every image, and for more
    vectors than a file is read with.
    """
    require_few(embedding.name, embedding.count)
    rows = {key: _stored(table) for key, table in file_keys(embedding.vectors).items()}
    if not all(torch.isfinite(table).all() for table in rows.values()):
        raise EmbeddingError(
            f"{embedding.name} is not saved",
            "its vectors are not finite numbers",
            "use an earlier copy of it, or smaller factors",
        )
    return rows


def _stored(table: Tensor) -> Tensor:
    table = table.detach().cpu()
    return table if table.dtype in (torch.float16, torch.bfloat16) else table.float()


def require_few(name: str, count: int) -> None:
    """Raise EmbeddingError for more vectors than a file is read with."""
    if count > MOST_VECTORS:
        why = f"it has {count} vectors, and no file of more than {MOST_VECTORS} is read"
        raise EmbeddingError(f"{name} is not saved", why, "make it of fewer words")


def trigger(embedding: Embedding) -> str:
    """The word that calls it in a prompt."""
    return embedding.metadata.get("modelspec.trigger_phrase") or embedding.name


def a1111(embedding: Embedding) -> dict[str, Value]:
    """A1111's `.pt` (`Embedding.save`). For two encoders (SDXL) its loader takes a dictionary of
    `clip_l` and `clip_g` and nothing else; other models' tables are kept in the same way."""
    rows = checked_rows(embedding)
    if set(rows) != {ONE_ENCODER}:
        return dict(rows)
    return {
        "string_to_token": {"*": _STAR_TOKEN},
        "string_to_param": {"*": rows[ONE_ENCODER]},
        **a1111_fields(embedding),
    }


def a1111_fields(embedding: Embedding) -> dict[str, str | int | None]:
    """What A1111 keeps beside the vectors."""
    return {
        "name": embedding.name,
        "step": embedding.step,
        "sd_checkpoint": embedding.metadata.get("ti.base_model_hash") or None,
        "sd_checkpoint_name": embedding.metadata.get("ti.base_model") or None,
    }


def diffusers(embedding: Embedding) -> dict[str, Tensor]:
    """diffusers' `learned_embeds`: the trigger word and its table.

    Raises EmbeddingError for several tables or another model's, as diffusers has no such file, and
    for a trigger that readers would take for the name of another table.
    """
    rows = checked_rows(embedding)
    if set(rows) != {ONE_ENCODER}:
        keys = " and ".join(rows)
        raise EmbeddingError(
            f"{embedding.name} cannot be one file of diffusers",
            f"such a file holds the vectors of one CLIP, and this embedding has {keys}",
            "for SDXL write the format diffusers, which has two files",
        )
    word, table = trigger(embedding), rows[ONE_ENCODER]
    if not reads_as_word(word, table):
        raise EmbeddingError(
            f"{embedding.name} cannot be a file of diffusers",
            f"in such a file {word!r} means the table of a text encoder",
            "choose another name or format",
        )
    return {word: table}


def kohya(embedding: Embedding) -> dict[str, Value]:
    """kohya's `emb_params`, or `clip_l` and `clip_g` (`save_weights` of sd-scripts), or ComfyUI's
    keys for other models."""
    return dict(checked_rows(embedding))
