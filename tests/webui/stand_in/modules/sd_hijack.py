"""What A1111 puts around the text encoders, and its list of embeddings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import stand_in_words
import torch
from torch import Tensor, nn

from modules import shared
from modules.embedding_database import EmbeddingDatabase


class Hijack:
    """The one in use."""

    def __init__(self) -> None:
        self.embedding_db = EmbeddingDatabase()
        self.fixes: Any = None
        self.circular_enabled = False

    def apply_circular(self, enable: bool) -> None:
        """Seamless tiling."""
        self.circular_enabled = enable


model_hijack = Hijack()


class EmbeddingsWithFixes(nn.Module):
    """The table, with the vectors of embeddings in a prompt; they are a global that is used up."""

    def __init__(self, wrapped: nn.Module, key: str) -> None:
        super().__init__()
        self.wrapped, self.textual_inversion_key = wrapped, key

    def forward(self, ids: Tensor) -> Tensor:
        """(N, 77) → (N, 77, width)"""
        fixes, model_hijack.fixes = model_hijack.fixes, None
        rows: Tensor = self.wrapped(ids)
        for offset, embedding in fixes or ():
            vectors = embedding.vec
            vectors = vectors[self.textual_inversion_key] if isinstance(vectors, dict) else vectors
            rows[0, offset + 1 : offset + 1 + len(vectors)] = vectors
        return rows


class WithCustomWords(nn.Module):
    """Around an embedder."""

    def __init__(self, wrapped: nn.Module, pad: int) -> None:
        super().__init__()
        self.wrapped: Any = wrapped
        self.id_start, self.id_end, self.id_pad = stand_in_words.START, stand_in_words.END, pad

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Without marks."""
        return [stand_in_words.encode(text) for text in texts]


class CLIPWithCustomWords(WithCustomWords):
    """SD 1."""

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """The layer that the settings choose."""
        skip = shared.opts.CLIP_stop_at_last_layers
        outputs = self.wrapped.transformer(input_ids=tokens, output_hidden_states=-skip)
        if skip == 1:
            return outputs.last_hidden_state
        norm = self.wrapped.transformer.text_model.final_layer_norm
        return norm(outputs.hidden_states[-skip])


class CLIPForSDXLWithCustomWords(WithCustomWords):
    """SDXL's first: the layer before the last, without the norm."""

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """Clip skip counts only if a setting says so."""
        outputs = self.wrapped.transformer(input_ids=tokens, output_hidden_states=True)
        skip = shared.opts.CLIP_stop_at_last_layers if shared.opts.sdxl_clip_l_skip else 2
        return outputs.hidden_states[-skip]


class OpenCLIPWithCustomWords(WithCustomWords):
    """SD 2: the layer before the last, with the norm."""

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """Clip skip does not count."""
        model = self.wrapped.model
        return model.ln_final(model.states(tokens)[-2])


class OpenCLIP2WithCustomWords(WithCustomWords):
    """SDXL's second, with the pooled text."""

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """The pooled text is an attribute of the result."""
        states = self.wrapped.model.states(tokens)
        z: Tensor = states[-2].clone()
        z.pooled = self.wrapped.model.pooled(states[-1], tokens)  # type: ignore[attr-defined]
        return z


class Tokens(SimpleNamespace):
    """Nothing but a tokenizer's place."""


def clip(model: Any, kind: type[WithCustomWords]) -> WithCustomWords:
    """OpenAI's CLIP with everything around it."""
    embedder: Any = nn.Module()
    embedder.transformer = model
    embedder.tokenizer = stand_in_words.Tokenizer()
    places = model.text_model.embeddings
    places.token_embedding = EmbeddingsWithFixes(places.token_embedding, "clip_l")
    return kind(embedder, stand_in_words.END)


def open_clip(model: Any, kind: type[WithCustomWords]) -> WithCustomWords:
    """OpenCLIP with everything around it."""
    embedder: Any = nn.Module()
    embedder.model = model
    model.token_embedding = EmbeddingsWithFixes(model.token_embedding, "clip_g")
    return kind(embedder, 0)


def encode(words: WithCustomWords, prompt: str) -> Tensor:
    """A prompt of one chunk, with the embeddings of the list."""
    ids = words.tokenize([prompt])[0]
    slots: list[int] = []
    fixes = []
    while ids:
        found = model_hijack.embedding_db.find_embedding_at_position(ids, 0)
        if found[0] is None:
            slots.append(ids.pop(0))
            continue
        fixes.append((len(slots), found[0]))
        slots += [0] * found[0].vectors
        del ids[: found[1]]
    marked = [words.id_start, *slots, words.id_end]
    tokens = torch.tensor([marked + [words.id_pad] * (77 - len(marked))])
    model_hijack.fixes = fixes
    return words.encode_with_transformers(tokens)  # type: ignore[operator]
