"""Prompts → conditioning, through whatever text encoders a program has.

Each encoder cuts every prompt into chunks and runs once over all of them, padded to the longest
prompt; an assembler puts together what they give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ...errors import ConfigError, setting
from ...port.session import EncoderFacts, TextOptions, Vectors

_Place = TypeVar("_Place")
"""One position of a chunk."""
WordVectors = Mapping[str, Tensor]
"""Word → its vectors (k, width) for one encoder."""
EncodedText = tuple[Tensor, "Tensor | None"]
"""States (N, n, width) and, from an encoder that pools, one vector for each (N, width)."""
Assembler = Callable[[Sequence[EncodedText]], EncodedText]
"""What each encoder gives for N prompts → context and pooled text of N prompts."""


class TextEncoder(Protocol[_Place]):
    """One text encoder with its vocabulary, as its program runs it."""

    @property
    def key(self) -> str:
        """Its name in embedding files."""

    @property
    def layers(self) -> int:
        """How many there are: the largest clip skip."""

    @property
    def capacity(self) -> int:
        """Tokens in one chunk, without start and end mark."""

    @property
    def table(self) -> Tensor:
        """(tokens, width) vocabulary, in whatever precision it is stored."""

    def tokenize(self, text: str) -> Sequence[int]:
        """Token numbers of a text, taken literally, without start and end mark."""

    def token_string(self, number: int) -> str:
        """How a token is written in the vocabulary; `</w>` ends a word."""

    def chunks_of(self, prompt: str, rows: WordVectors, emphasis: bool) -> list[Sequence[_Place]]:
        """The chunks of a prompt, at least one; words that are keys of `rows` take k places."""

    def run(
        self, chunks: Sequence[Sequence[_Place]], rows: WordVectors, clip_skip: int
    ) -> EncodedText:
        """States (chunks, n, width), with the weights applied; pooled text, if any."""


def encoder_facts(encoder: TextEncoder[Any]) -> EncoderFacts:
    """As the port describes an encoder."""
    tokens, width = encoder.table.shape
    return EncoderFacts(encoder.key, int(width), int(tokens), encoder.capacity)


def check_ids(encoder: TextEncoder[Any], ids: Sequence[int]) -> None:
    """Raise ConfigError unless every number is that of a token with a row."""
    most = len(encoder.table)
    wrong = next((number for number in ids if not 0 <= number < most), None)
    if wrong is not None:
        why = f"the vocabulary has the numbers 0 to {most - 1}"
        raise ConfigError(f"there is no token {wrong}", why)


def side_by_side(encoded: Sequence[EncodedText]) -> EncodedText:
    """CLIP's families: the encoders' widths add up, and those of their pooled texts."""
    pooled = [ends for _, ends in encoded if ends is not None]
    context = torch.cat([states for states, _ in encoded], dim=-1)
    return context, torch.cat(pooled, dim=-1) if pooled else None


def encode_text(
    encoders: Sequence[TextEncoder[Any]],
    prompts: Sequence[str],
    embeddings: Mapping[str, Vectors],
    options: TextOptions,
    assemble: Assembler = side_by_side,
) -> EncodedText:
    """Context (P, n, width) and pooled text (P, width) or None of P prompts, in fp32.

    Raises ConfigError for a clip skip beyond an encoder's layers.
    """
    plans = []
    for encoder in encoders:
        _check_clip_skip(encoder, options.clip_skip)
        rows = {name: vectors[encoder.key] for name, vectors in embeddings.items()}
        chunks = [encoder.chunks_of(prompt, rows, options.emphasis) for prompt in prompts]
        plans.append((encoder, rows, chunks))
    longest = max(len(chunks) for _, _, plan in plans for chunks in plan)
    return assemble(
        [_encoded(encoder, rows, plan, longest, options.clip_skip) for encoder, rows, plan in plans]
    )


def _check_clip_skip(encoder: TextEncoder[Any], clip_skip: int) -> None:
    if not 1 <= clip_skip <= encoder.layers:
        why = f"the text encoder has {encoder.layers} layers"
        raise ConfigError(f"{setting('clip_skip')} is {clip_skip}", why)


def _encoded(
    encoder: TextEncoder[_Place],
    rows: WordVectors,
    plan: Sequence[Sequence[Sequence[_Place]]],
    longest: int,
    clip_skip: int,
) -> EncodedText:
    """Of every prompt: the states of all chunks in a row, and the pooled text of the first."""
    empty: Sequence[_Place] = ()
    padded = [chunk for chunks in plan for chunk in (*chunks, *[empty] * (longest - len(chunks)))]
    states, ends = encoder.run(padded, rows, clip_skip)
    context = states.float().reshape(len(plan), -1, states.shape[-1])
    return context, None if ends is None else ends[::longest].float()
