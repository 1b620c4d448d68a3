"""A CLIP that knows an embedding by name, without any file.

ComfyUI looks `embedding:NAME` up on the disk and remembers encoded prompts by their text only: a
file that was trained further does nothing until the text changes. A CLIP that carries the vectors
is another value after each training, so that everything behind it is made anew.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from ..ti_core.errors import ConfigError, UnsupportedModelError
from ..ti_core.families import ENCODER_KEYS, SUPPORTED
from ..ti_core.files.embedding import Embedding, for_encoders
from ..ti_core.files.names import prompt_name

if TYPE_CHECKING:
    from comfy.sd import CLIP
    from comfy.sd1_clip import SD1Tokenizer, SDTokenizer

_IDENTIFIER = "embedding:"
_STRONGEST = 10.0


def with_embedding(clip: CLIP, embedding: Embedding, weight: float = 1.0) -> CLIP:
    """A CLIP for which `embedding:NAME` stands for these vectors; the given one stays as it is.

    `weight` is what `(embedding:NAME:weight)` would do, wherever the name stands.
    Raises EmbeddingError when the vectors are for another kind of model, UnsupportedModelError for
    a CLIP whose tokenizer works in another way, ConfigError for a weight that is not a number.
    """
    if not math.isfinite(weight) or abs(weight) > _STRONGEST:
        raise ConfigError(
            f"the weight is {weight}", "", f"choose one from {-_STRONGEST:g} to {_STRONGEST:g}"
        )
    taught = clip.clone()
    taught.tokenizer = copy.copy(clip.tokenizer)
    parts = _tokenizers(taught.tokenizer)
    widths = {name: part.embedding_size for name, part in parts.items()}
    vectors = for_encoders(embedding, widths, embedding.name)
    for name, part in parts.items():
        setattr(taught.tokenizer, name, _knowing(part, prompt_name(embedding.name), vectors[name]))
    if weight != 1.0:
        _weigh(taught.tokenizer, prompt_name(embedding.name), weight)
    return taught


def _tokenizers(tokenizer: SD1Tokenizer) -> dict[str, SDTokenizer]:
    """Name of the attribute (an encoder key) → tokenizer of one text encoder."""
    found = {
        name: part for name, part in vars(tokenizer).items() if hasattr(part, "_try_get_embedding")
    }
    if not found or not set(found) <= set(ENCODER_KEYS):
        raise UnsupportedModelError(
            "this CLIP takes no embeddings",
            f"its text encoders are {', '.join(found) or 'of an unknown kind'}",
            f"use the CLIP of a checkpoint of {SUPPORTED}",
        )
    return found


def _knowing(part: SDTokenizer, name: str, rows: Tensor) -> SDTokenizer:
    """A copy of the tokenizer that finds `name` before it looks at the disk."""
    knowing, ask_disk = copy.copy(part), part._try_get_embedding

    def look_up(text: str, *more: object, **options: object) -> tuple[Tensor | None, str]:
        first, *others = text.split()
        bare = re.sub(r"\.(safetensors|pt|bin)$", "", first.rstrip(","))
        if bare != name:
            has_disk = part.embedding_directory is not None
            return ask_disk(text, *more, **options) if has_disk else (None, "")
        commas = first[len(first.rstrip(",")) :]
        return rows, " ".join(filter(None, [commas, *others]))

    knowing._try_get_embedding = look_up
    knowing.embedding_directory = part.embedding_directory or []  # None: nothing is looked up
    return knowing


def _weigh(tokenizer: SD1Tokenizer, name: str, weight: float) -> None:
    """Put every mention of the name into brackets with the weight."""
    mention = re.compile(
        rf"(?:(?<=[\s(])|(?<![\s\S])){_IDENTIFIER}{re.escape(name)}"
        r"(?:\.(?:safetensors|pt|bin))?(?![\w.-])"
    )
    plain = tokenizer.tokenize_with_weights

    def weighed(text: str, *more: object, **options: object) -> Mapping[str, object]:
        return plain(mention.sub(lambda m: f"({m[0]}:{weight:.6g})", text), *more, **options)

    tokenizer.tokenize_with_weights = weighed
