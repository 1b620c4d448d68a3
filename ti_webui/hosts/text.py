"""Prompts through a web UI's own text encoders, differentiable in the vectors of embeddings.

Prompts are cut and laid out by the core, as for every host; the program's encoders see only token
numbers. The vectors come in by a hook on the table of the vocabulary, so that neither the table
nor the program's list of embeddings is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ti_core.errors import HostError
from ti_core.hosts.common.slots import chunk_ids, emphasise, slot_weights, vectors_inserted
from ti_core.port.prompt import TOKENS_PER_CHUNK, Chunk, pack, read_prompt
from ti_core.port.session import EncoderFacts, TextOptions, Vectors

POSITIONS = TOKENS_PER_CHUNK + 2
"""Of every CLIP text encoder, with a start and an end mark."""

Weigh = Callable[[Tensor, list[list[int]], list[list[float]]], Tensor]
"""States (1, 77, width), token numbers and weights of one chunk → weighted states."""


@dataclass(frozen=True)
class Encoder:
    """One text encoder, as its program runs it."""

    key: str
    network: nn.Module
    """Everything with weights, for moving it."""
    table: nn.Embedding
    tokenize: Callable[[str], Sequence[int]]
    """Literally, without start and end marks."""
    token_string: Callable[[int], str]
    start: int
    end: int
    pad: int
    layers: int
    run: Callable[[Tensor, int], tuple[Tensor, Tensor | None]]
    """Token numbers (N, 77) and clip skip → states (N, 77, width) and, from SDXL's second
    encoder, the pooled text (N, width)."""

    def ids_of(self, text: str) -> list[int]:
        """Token numbers of a text, however long; none for a blank one."""
        return [int(number) for number in self.tokenize(text)] if text.strip() else []

    def facts(self) -> EncoderFacts:
        """As the port describes it."""
        table = self.table
        return EncoderFacts(self.key, table.embedding_dim, table.num_embeddings)

    def check_ids(self, ids: Sequence[int]) -> None:
        """Raise HostError unless every number is that of a token with a row."""
        most = self.table.num_embeddings
        wrong = next((number for number in ids if not 0 <= number < most), None)
        if wrong is not None:
            why = f"the vocabulary has the numbers 0 to {most - 1}"
            raise HostError(f"there is no token {wrong}", why)


@dataclass(frozen=True)
class EmphasisSettings:
    """How the program's user has set it up to read emphasis."""

    emphasis: bool = True
    """Off: brackets are letters, whatever is asked for."""
    weigh: Weigh | None = None
    """What weights do to a chunk; None = A1111's "Original"."""


def encode_text(
    encoders: Sequence[Encoder],
    prompts: Sequence[str],
    embeddings: Mapping[str, Vectors],
    options: TextOptions,
    emphasis_settings: EmphasisSettings,
) -> tuple[Tensor, Tensor | None]:
    """Context (P, 77 × chunks, width) and the pooled text (P, width) if an encoder gives one."""
    if not prompts:
        raise HostError("there is no prompt to encode")
    _check_clip_skip(encoders[0], options.clip_skip)
    emphasis = options.emphasis and emphasis_settings.emphasis
    plans = [_plan(encoder, prompts, embeddings, emphasis) for encoder in encoders]
    chunks = max(len(plan) for plans_of_one in plans for plan in plans_of_one)
    contexts, pooled = [], None
    for encoder, plan in zip(encoders, plans, strict=True):
        padded = [chunk for one in plan for chunk in (*one, *((),) * (chunks - len(one)))]
        states, ends = _run(encoder, padded, embeddings, options.clip_skip)
        states = _weighed(encoder, states, padded, emphasis_settings.weigh).float()
        contexts.append(states.reshape(len(prompts), -1, states.shape[-1]))
        pooled = pooled if ends is None else ends[::chunks].float()
    return torch.cat(contexts, dim=-1), pooled


def _check_clip_skip(encoder: Encoder, clip_skip: int) -> None:
    if not 1 <= clip_skip <= encoder.layers:
        why = f"the text encoder has {encoder.layers} layers"
        raise HostError(f"clip skip {clip_skip} is not possible", why)


def _plan(
    encoder: Encoder, prompts: Sequence[str], embeddings: Mapping[str, Vectors], emphasis: bool
) -> list[list[Chunk]]:
    """The chunks of every prompt."""
    lengths = {name: len(vectors[encoder.key]) for name, vectors in embeddings.items()}
    pieces = (read_prompt(prompt, embeddings, emphasis) for prompt in prompts)
    return [pack(piece, encoder.ids_of, lengths) for piece in pieces]


def _run(
    encoder: Encoder, chunks: Sequence[Chunk], embeddings: Mapping[str, Vectors], clip_skip: int
) -> tuple[Tensor, Tensor | None]:
    ids = torch.tensor([_ids(encoder, chunk) for chunk in chunks])
    with vectors_inserted(encoder.table, encoder.key, chunks, embeddings):
        return encoder.run(ids.to(encoder.table.weight.device), clip_skip)


def _ids(encoder: Encoder, chunk: Chunk) -> list[int]:
    return chunk_ids(chunk, encoder.start, encoder.end, encoder.pad, POSITIONS)


def _weighed(
    encoder: Encoder, states: Tensor, chunks: Sequence[Chunk], weigh: Weigh | None
) -> Tensor:
    """Chunks without any weight are left alone, bit for bit."""
    if weigh is None:
        return emphasise(states, chunks)
    rows = list(states.float().split(1))
    for n, chunk in enumerate(chunks):
        if any(slot.weight != 1 for slot in chunk):
            ids, weights = _ids(encoder, chunk), slot_weights(chunk, POSITIONS)
            rows[n] = weigh(rows[n], [ids], [weights])
    return torch.cat(rows)
