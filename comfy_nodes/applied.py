"""A CLIP that knows an embedding by name, without any file.

ComfyUI looks `embedding:NAME` up on the disk and remembers encoded prompts by their text only: a
file that was trained further does nothing until the text changes. A CLIP that carries the vectors
is another value after each training, so that everything behind it is made again.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..ti_core.errors import ConfigError, UnsupportedModelError
from ..ti_core.families import ENCODER_KEYS, SUPPORTED
from ..ti_core.files.embedding import Embedding, for_encoders
from ..ti_core.files.names import composed, prompt_name

if TYPE_CHECKING:
    from comfy.sd import CLIP
    from comfy.sd1_clip import Place, SD1Tokenizer, SDTokenizer

_STRONGEST = 10.0
_WORDS = "ti_words"
"""Where a tokenizer keeps what it was taught."""


@dataclass(frozen=True)
class _Word:
    """What a name stands for in one text encoder."""

    rows: Tensor
    weight: float

    @property
    def address(self) -> int:
        """Known by the memory of its rows: in a prompt, each row is a view of them."""
        return _address(self.rows)


def with_embedding(clip: CLIP, embedding: Embedding, weight: float = 1.0) -> CLIP:
    """A CLIP for which `embedding:NAME` stands for these vectors; the given one stays as it is.

    `weight` is emphasis as `(embedding:NAME:weight)` gives it, wherever the name stands; brackets
    of the prompt multiply it.
    Raises EmbeddingError when the vectors are for another kind of model, UnsupportedModelError for
    a CLIP whose tokenizer works in another way, ConfigError for a weight that is not a number.
    """
    if not math.isfinite(weight) or abs(weight) > _STRONGEST:
        raise ConfigError(
            f"the weight is {weight}", "", f"choose one from {-_STRONGEST:g} to {_STRONGEST:g}"
        )
    taught = clip.clone()
    taught.tokenizer = copy.copy(clip.tokenizer)
    parts = tokenizers_of(taught.tokenizer)
    widths = {name: part.embedding_size for name, part in parts.items()}
    vectors = for_encoders(embedding, widths, embedding.name)
    for name, part in parts.items():
        word = _Word(vectors[name].clone(), weight)
        setattr(taught.tokenizer, name, _knowing(part, prompt_name(embedding.name), word))
    return taught


def taught_words(clip: CLIP) -> dict[str, Mapping[str, object]]:
    """Text encoder → the words that `with_embedding` has taught this CLIP."""
    parts = vars(clip.tokenizer).items()
    return {name: getattr(part, _WORDS) for name, part in parts if hasattr(part, _WORDS)}


def taught_weight(part: SDTokenizer, name: str) -> float:
    """What `with_embedding` multiplies the weight of a word with; 1 for any other."""
    words: Mapping[str, _Word] = getattr(part, _WORDS, {})
    word = words.get(_bare(name))
    return word.weight if word else 1.0


def tokenizers_of(tokenizer: SD1Tokenizer) -> dict[str, SDTokenizer]:
    """Name of the attribute (an encoder key) → tokenizer of one text encoder.

    Raises UnsupportedModelError for a tokenizer that works in another way.
    """
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


def _knowing(part: SDTokenizer, name: str, word: _Word) -> SDTokenizer:
    """A copy of the tokenizer that knows one more word; those it knew already stay."""
    knowing = copy.copy(part)
    knowing.embedding_directory = part.embedding_directory or []  # None: nothing is looked up
    words: dict[str, _Word] = {**getattr(part, _WORDS, {}), name: word}
    setattr(knowing, _WORDS, words)
    knowing._try_get_embedding = partial(_look_up, knowing, words)
    knowing.tokenize_with_weights = partial(_weighed, knowing, list(words.values()))
    return knowing


def _look_up(
    part: SDTokenizer, words: Mapping[str, _Word], text: str
) -> tuple[Tensor | str | None, ...]:
    """Our rows for a word that is known; else what is on the disk.

    Where the name ends and what is given back beside the rows, ComfyUI's own method knows (0.28
    has changed both), asked on a tokenizer without any folder.
    """
    ask, nowhere = type(part)._try_get_embedding, copy.copy(part)
    nowhere.embedding_directory = []
    _, *others = ask(nowhere, text)
    word = words.get(_bare(called_name(text, others).strip(",")))
    return ask(part, text) if word is None else (word.rows, *others)


def _bare(name: str) -> str:
    return composed(re.sub(r"\.(safetensors|pt|bin)$", "", name))


def called_name(text: str, others: Sequence[object]) -> str:
    """The name at the beginning of a text that was looked up, by what came back beside the rows."""
    return str(others[0]) if len(others) > 1 else text.split()[0]


def _weighed(
    part: SDTokenizer, words: Sequence[_Word], text: str, *more: object, **options: object
) -> list[list[Place]]:
    """Rows get their weight where they stand, whatever brackets are around them."""
    weights = {word.address: word.weight for word in words}
    chunks: list[list[Place]] = type(part).tokenize_with_weights(part, text, *more, **options)
    return [[_times(place, weights) for place in chunk] for chunk in chunks]


def _times(place: Place, weights: Mapping[int, float]) -> Place:
    token, weight = place[:2]
    if not torch.is_tensor(token):
        return place
    return (token, weight * weights.get(_address(token), 1.0), *place[2:])


def _address(rows: Tensor) -> int:
    return rows.untyped_storage().data_ptr()
