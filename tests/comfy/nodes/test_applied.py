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
DISK = {"other": torch.full((1, 768), 7.0)}
BOTH = pytest.mark.parametrize("newer", [False, True], ids=["0.3.64", "0.33"])


class Tokenizer:
    """ComfyUI's, as far as embeddings go, of 0.3.64 or (`newer`) of 0.28 and later.

    `folder`: an empty list is a ComfyUI without any folder; None looks nothing up.
    """

    def __init__(
        self, size: int = 768, folder: list[str] | None = None, newer: bool = False
    ) -> None:
        self.embedding_size, self.embedding_directory, self.newer = size, folder, newer

    def _try_get_embedding(self, text: str) -> tuple[Any, ...]:
        name, *others = text.split()
        rest = " ".join(others)
        cut = re.search(r"[<\[]", name) if self.newer else None
        if cut:
            name, rest = name[: cut.start()], " ".join([name[cut.start() :], *others])
        rows, stripped = self._load(name), name.strip(",")
        if rows is None and stripped != name:
            rows, rest = self._load(stripped), f"{name[len(stripped) :]} {rest}"
        return (rows, name, rest) if self.newer else (rows, rest)

    def _load(self, name: str) -> Any:
        assert self.embedding_directory is not None  # ComfyUI's own fails there
        return DISK.get(name) if self.embedding_directory else None

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False) -> list[Any]:
        """One chunk of words and rows; brackets are `(x:1.2)` and do not nest."""
        chunk = []
        for inside, weight, outside in re.findall(r"\((.*?):([\d.]+)\)|([^()]+)", text):
            chunk += [(token, float(weight or 1)) for token in self._read(inside or outside)]
        return [chunk]

    def _read(self, text: str) -> list[Any]:
        found: list[Any] = []
        for part in re.split(BEFORE[self.newer], text):
            rest = part
            if part.startswith("embedding:") and self.embedding_directory is not None:
                rows, *_, rest = self._try_get_embedding(part.removeprefix("embedding:"))
                found += [] if rows is None else list(rows)
            found += rest.split()
        return found


BEFORE = (r"(?<=[ \n])(?=embedding:)", r"(?<=\s)(?=embedding:)")
"""What stands before a name, in either."""


class Both:
    """What CLIP.tokenizer is."""

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)

    def tokenize_with_weights(self, text: str) -> dict[str, list[Any]]:
        parts = {name: part for name, part in vars(self).items() if isinstance(part, Tokenizer)}
        return {name: part.tokenize_with_weights(text) for name, part in parts.items()}


class Clip:
    def __init__(self, **parts: Any) -> None:
        self.tokenizer = Both(**parts)

    def clone(self) -> Clip:
        made = Clip()
        made.tokenizer = self.tokenizer
        return made


def one(newer: bool, folder: list[str] | None = None) -> Clip:
    return Clip(clip_l=Tokenizer(folder=["x"] if folder is None else folder, newer=newer))


def with_embedding(*inputs: Any) -> Any:
    return program.nodes("applied").with_embedding(*inputs)


def read(clip: Any, text: str, part: str = "clip_l") -> list[tuple[Any, float]]:
    """Words as they are, rows by their first number; and their weights."""
    (chunk,) = clip.tokenizer.tokenize_with_weights(text)[part]
    return [(float(t[0]) if torch.is_tensor(t) else t, weight) for t, weight in chunk]


def tokens(clip: Any, text: str, part: str = "clip_l") -> list[Any]:
    return [token for token, _ in read(clip, text, part)]


CAT = [0.0, 768.0]
"""The first numbers of MADE's rows."""


@BOTH
def test_the_name_means_the_vectors_and_the_given_clip_learns_nothing(newer: bool) -> None:
    clip = one(newer)
    taught = with_embedding(clip, MADE)
    assert tokens(taught, "a embedding:my_cat on a mat") == ["a", *CAT, "on", "a", "mat"]
    assert tokens(clip, "a embedding:my_cat") == ["a"]


@BOTH
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("embedding:my_cat, x", [*CAT, ",", "x"]),
        ("embedding:my_cat.safetensors x", [*CAT, "x"]),
        ("a\nembedding:my_cat.pt,, x", ["a", *CAT, ",,", "x"]),
        ("embedding:my_cat2", []),
        ("x-embedding:my_cat", ["x-embedding:my_cat"]),
    ],
)
def test_the_name_ends_where_comfyui_ends_it(newer: bool, text: str, found: list[Any]) -> None:
    assert tokens(with_embedding(one(newer), MADE), text) == found


@pytest.mark.parametrize("rest", ["[x]", "<|im_end|>", "<lora:x:1>"])
def test_since_0_28_a_name_ends_at_brackets_too(rest: str) -> None:
    text = f"a\tembedding:my_cat{rest} b"
    assert tokens(with_embedding(one(True), MADE), text) == ["a", *CAT, rest, "b"]
    assert tokens(with_embedding(one(False), MADE), text) == ["a", f"embedding:my_cat{rest}", "b"]


@BOTH
def test_other_names_are_looked_up_on_the_disk(newer: bool) -> None:
    assert tokens(with_embedding(one(newer), MADE), "embedding:other x") == [7.0, "x"]
    for alone in (Clip(clip_l=Tokenizer(newer=newer)), one(newer, [])):
        taught = with_embedding(alone, MADE)
        assert tokens(taught, "embedding:other embedding:my_cat") == CAT


@BOTH
def test_several_embeddings_in_a_row_are_all_known_each_with_its_weight(newer: bool) -> None:
    dog = Embedding("dog", {"emb_params": ROWS + 1})
    taught = with_embedding(with_embedding(one(newer), MADE, 1.5), dog, 0.5)
    text = "embedding:my_cat embedding:dog a"
    weighed = [(0.0, 1.5), (768.0, 1.5), (1.0, 0.5), (769.0, 0.5), ("a", 1.0)]
    assert read(taught, text) == weighed
    newest = with_embedding(taught, Embedding("my cat", {"emb_params": ROWS + 5}))
    assert read(newest, text) == [(5.0, 1.0), (773.0, 1.0), *weighed[2:]]


@BOTH
def test_weight_multiplies_brackets_wherever_the_name_stands(newer: bool) -> None:
    taught = with_embedding(one(newer), MADE, 1.25)
    found = read(taught, "embedding:my_cat a (b embedding:my_cat:1.2) embedding:other")
    cat = [(number, 1.25) for number in CAT]
    louder = [(number, pytest.approx(1.5)) for number in CAT]
    assert found == [*cat, ("a", 1.0), ("b", 1.2), *louder, (7.0, 1.0)]


def test_sdxl_has_vectors_of_its_own_for_each_encoder() -> None:
    vectors = {"clip_l": torch.zeros(1, 768), "clip_g": torch.ones(1, 1280)}
    clip = Clip(clip_l=Tokenizer(768, []), clip_g=Tokenizer(1280, []))
    taught = with_embedding(clip, Embedding("x", vectors))
    assert tokens(taught, "embedding:x", "clip_g") == [1.0]
    assert tokens(taught, "embedding:x", "clip_l") == [0.0]
    with pytest.raises(EmbeddingError):
        with_embedding(clip, MADE)


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
