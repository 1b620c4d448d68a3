"""Embeddings as values: a CLIP that knows them, and the model's name found in the graph."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from tests.comfy.nodes import program
from ti_core.errors import ConfigError, EmbeddingError, UnsupportedModelError
from ti_core.files.embedding import Embedding

ROWS = torch.arange(2 * 768, dtype=torch.float32).view(2, 768)
MADE = Embedding("my cat", {"emb_params": ROWS})


class Tokenizer:
    """ComfyUI's, as far as embeddings go: words, and a look at the disk for `embedding:x`."""

    def __init__(self, size: int = 768, folder: list[str] | None = None) -> None:
        self.embedding_size, self.embedding_directory = size, folder

    def _try_get_embedding(self, text: str) -> tuple[Any, str]:
        return (None, "") if self.embedding_directory is None else ("from disk", text)

    def read(self, text: str) -> list[Any]:
        found: list[Any] = []
        for part in re.split(r" (?=embedding:)", text):
            if part.startswith("embedding:") and self.embedding_directory is not None:
                rows, part = self._try_get_embedding(part.removeprefix("embedding:"))
                found.append(rows)
            found += part.split()
        return found


class Both:
    """What CLIP.tokenizer is."""

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False) -> Any:
        return {
            name: (text, part.read(text))
            for name, part in vars(self).items()
            if isinstance(part, Tokenizer)
        }


class Clip:
    def __init__(self, **parts: Any) -> None:
        self.tokenizer = Both(**parts)

    def clone(self) -> Clip:
        made = Clip()
        made.tokenizer = self.tokenizer
        return made


def with_embedding(*inputs: Any) -> Any:
    return program.nodes("applied").with_embedding(*inputs)


def tokens(clip: Any, text: str, part: str = "clip_l") -> list[Any]:
    return clip.tokenizer.tokenize_with_weights(text)[part][1]


def test_the_name_means_the_vectors_and_the_given_clip_learns_nothing() -> None:
    clip = Clip(clip_l=Tokenizer(folder=["x"]))
    taught = with_embedding(clip, MADE)
    found = tokens(taught, "a embedding:my_cat on a mat")
    assert found[1] is ROWS
    assert found[2:] == ["on", "a", "mat"]
    assert "from disk" in tokens(clip, "a embedding:my_cat")


@pytest.mark.parametrize("text", ["embedding:my_cat, x", "embedding:my_cat.safetensors x"])
def test_the_name_may_end_as_comfyui_allows(text: str) -> None:
    taught = with_embedding(Clip(clip_l=Tokenizer(folder=["x"])), MADE)
    assert tokens(taught, text)[0] is ROWS


def test_other_names_are_looked_up_on_the_disk() -> None:
    taught = with_embedding(Clip(clip_l=Tokenizer(folder=["x"])), MADE)
    assert tokens(taught, "embedding:other")[0] == "from disk"
    alone = with_embedding(Clip(clip_l=Tokenizer()), MADE)
    assert tokens(alone, "embedding:other")[0] is None
    assert tokens(alone, "embedding:my_cat")[0] is ROWS


def test_several_embeddings_in_a_row_are_all_known() -> None:
    other = Embedding("dog", {"emb_params": ROWS + 1})
    taught = with_embedding(with_embedding(Clip(clip_l=Tokenizer(folder=[])), MADE), other)
    found = tokens(taught, "embedding:my_cat embedding:dog")
    assert found[0] is ROWS
    assert torch.equal(found[1], ROWS + 1)


def test_sdxl_has_vectors_of_its_own_for_each_encoder() -> None:
    vectors = {"clip_l": torch.zeros(1, 768), "clip_g": torch.ones(1, 1280)}
    clip = Clip(clip_l=Tokenizer(768, []), clip_g=Tokenizer(1280, []))
    taught = with_embedding(clip, Embedding("x", vectors))
    assert tokens(taught, "embedding:x", "clip_g")[0] is vectors["clip_g"]
    with pytest.raises(EmbeddingError):
        with_embedding(clip, MADE)


def test_weight_puts_every_mention_into_brackets() -> None:
    taught = with_embedding(Clip(clip_l=Tokenizer(folder=[])), MADE, 1.25)
    text = taught.tokenizer.tokenize_with_weights(
        "embedding:my_cat a (embedding:my_cat:1.1), embedding:my_cat2 x-embedding:my_cat"
    )["clip_l"][0]
    assert text == (
        "(embedding:my_cat:1.25) a ((embedding:my_cat:1.25):1.1), "
        "embedding:my_cat2 x-embedding:my_cat"
    )


@pytest.mark.parametrize("weight", [math.nan, math.inf, 11.0])
def test_a_weight_is_a_sensible_number(weight: float) -> None:
    with pytest.raises(ConfigError):
        with_embedding(Clip(clip_l=Tokenizer()), MADE, weight)


@pytest.mark.parametrize("parts", [{}, {"t5xxl": Tokenizer()}])
def test_other_text_encoders_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match="takes no embeddings"):
        with_embedding(Clip(**parts), MADE)


def test_the_checkpoints_name_is_found_up_the_graph() -> None:
    name = program.nodes("loaded_model").checkpoint_name
    graph = {
        "1": {"inputs": {"ckpt_name": "sd15/v1-5.safetensors"}},
        "2": {"inputs": {"model": ["1", 0], "lora_name": "x.safetensors"}},
        "3": {"inputs": {"clip": ["1", 1], "model": ["2", 0]}},
        "4": {"inputs": {"model": ["5", 0]}},
        "5": {"inputs": {"model": ["4", 0]}},
    }
    assert name(graph, "3") == "v1-5"
    assert name(graph, "4") == ""
    assert name(None, None) == ""
