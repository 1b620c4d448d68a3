"""A1111's shells around text encoders, under the names that all web UIs have kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Protocol

import torch
from modules import shared
from torch import Tensor, nn

from ti_core.hosts.common.clip import ClipEncoder, EmphasisSettings
from ti_core.hosts.common.text import EncodedText
from ti_core.port.transfer import sent

from .base import set_options


class Words(Protocol):
    """A shell around a text encoder: A1111's …EmbedderWithCustomWords, Forge's text engine."""

    id_start: int
    id_end: int
    id_pad: int

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token numbers of each text, without start and end marks or, in newer ones, with them."""

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """States (N, 77, width); the pooled text is an attribute of them, if there is one."""


def clip_encoder(
    words: Words,
    transformer: Any,
    tokenizer: Any,
    *,
    key: str,
    network: nn.Module,
    forward: Callable[[Tensor, int], EncodedText],
    modes: ModuleType,
) -> ClipEncoder:
    """An encoder in transformers' code, or in one with the same names, within its shell `words`.

    `modes` is the program's module of emphasis modes; for the rest see `ClipEncoder`.
    """
    text_model = transformer.text_model
    return ClipEncoder(
        key=key,
        network=network,
        embedding=bare_embedding(text_model.embeddings.token_embedding),
        read=partial(_read, words, bool(words.tokenize([""])[0])),
        spell=lambda number: str(tokenizer.convert_ids_to_tokens(number)),
        start=words.id_start,
        end=words.id_end,
        pad=words.id_pad,
        layers=len(text_model.encoder.layers),
        forward=forward,
        emphasis_settings=lambda: emphasis_settings(modes),
    )


def _read(words: Words, marked: bool, text: str) -> list[int]:
    """Token numbers of a text; Forge Neo has put marks around them since autumn 2026."""
    numbers = words.tokenize([text])[0]
    return numbers[1:-1] if marked else numbers


def bare_embedding(token_embedding: nn.Module) -> nn.Embedding:
    """Under the module that puts in the web UI's own embeddings."""
    embedding = getattr(token_embedding, "wrapped", token_embedding)
    assert isinstance(embedding, nn.Embedding)
    return embedding


def run_words(words: Words, ids: Tensor, clip_skip: int) -> EncodedText:
    """States (N, 77, width) of a shell that heeds the web UI's settings, and SDXL's pooled text."""
    # SDXL's first encoder does not listen
    with set_options({"CLIP_stop_at_last_layers": clip_skip, "sdxl_clip_l_skip": False}):
        states = words.encode_with_transformers(ids)
    return states, getattr(states, "pooled", None)


def emphasis_settings(modes: ModuleType) -> EmphasisSettings:
    """Settings > Stable Diffusion > Emphasis mode; `modes` is the program's module of them."""
    name = getattr(shared.opts, "emphasis", "Original")

    def weigh(states: Tensor, ids: list[list[int]], weights: list[list[float]]) -> Tensor:
        mode = modes.get_current_option(name)()
        multipliers = sent(torch.tensor(weights), states.device)
        if callable(mode):  # Forge Neo since autumn 2026; it may work in place, or give nothing
            found: Tensor | None = mode(states.clone(), multipliers)
            return states if found is None else found
        mode.tokens, mode.z, mode.multipliers = ids, states, multipliers
        mode.after_transformers()
        weighed: Tensor = mode.z
        return weighed

    return EmphasisSettings(emphasis=name != "None", weigh=weigh)
