"""CLIP text encoders whose token embedding is a module of its own.

Prompts are cut and laid out by the core; the program's encoder sees only token numbers. The vectors
come in by a hook on the token embedding, so that neither the table nor a program's list of
embeddings is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...port.prompt import TOKENS_PER_CHUNK, Slot, pack, read_prompt
from ...port.transfer import sent
from .slots import chunk_ids, emphasise, insert_vectors, slot_weights
from .text import EncodedText, WordVectors

Weigh = Callable[[Tensor, list[list[int]], list[list[float]]], Tensor]
"""States (1, 77, width), token numbers and weights of one chunk → weighted states."""


@dataclass(frozen=True)
class EmphasisSettings:
    """How a program's user has set it up to read emphasis."""

    emphasis: bool = True
    """Off: brackets are letters, in every prompt."""
    weigh: Weigh | None = None
    """What weights do to a chunk; None = A1111's "Original"."""


@dataclass(frozen=True)
class ClipEncoder:
    """Fulfils `text.TextEncoder`."""

    key: str
    network: nn.Module
    """Everything with weights, for moving it."""
    embedding: nn.Embedding
    read: Callable[[str], Sequence[int]]
    """Token numbers of a text that is not blank, literally, without start and end mark."""
    spell: Callable[[int], str]
    """How a token is written in the vocabulary."""
    start: int
    end: int
    pad: int
    layers: int
    forward: Callable[[Tensor, int], EncodedText]
    """Token numbers (N, 77) and clip skip → states (N, 77, width) and, from SDXL's second
    encoder, the pooled text (N, width)."""
    emphasis_settings: Callable[[], EmphasisSettings] = EmphasisSettings
    capacity: int = TOKENS_PER_CHUNK

    @property
    def table(self) -> Tensor:
        """(tokens, width) vocabulary."""
        return self.embedding.weight

    def tokenize(self, text: str) -> list[int]:
        """Token numbers of a text, however long; none for a blank one."""
        return [int(number) for number in self.read(text)] if text.strip() else []

    def token_string(self, number: int) -> str:
        """How a token is written; `</w>` ends a word."""
        return self.spell(number)

    def chunks_of(self, prompt: str, rows: WordVectors, emphasis: bool) -> list[Sequence[Slot]]:
        """Laid out as in A1111."""
        pieces = read_prompt(prompt, rows, emphasis and self.emphasis_settings().emphasis)
        lengths = {name: len(vectors) for name, vectors in rows.items()}
        return list(pack(pieces, self.tokenize, lengths, self.capacity))

    def run(
        self, chunks: Sequence[Sequence[Slot]], rows: WordVectors, clip_skip: int
    ) -> EncodedText:
        """States with the weights applied, and the pooled ends."""
        ids = torch.tensor([self._ids(chunk) for chunk in chunks])
        with insert_vectors(self.embedding, chunks, rows):
            states, ends = self.forward(sent(ids, self.table.device), clip_skip)
        return self._weighed(states, chunks), ends

    def _ids(self, chunk: Sequence[Slot]) -> list[int]:
        return chunk_ids(chunk, self.start, self.end, self.pad, self.capacity + 2)

    def _weighed(self, states: Tensor, chunks: Sequence[Sequence[Slot]]) -> Tensor:
        """Chunks without any weight are left alone, bit for bit."""
        weigh = self.emphasis_settings().weigh
        if weigh is None:
            return emphasise(states, chunks)
        rows = list(states.float().split(1))
        for n, chunk in enumerate(chunks):
            if any(slot.weight != 1 for slot in chunk):
                ids, weights = self._ids(chunk), slot_weights(chunk, states.shape[1])
                rows[n] = weigh(rows[n], [ids], [weights])
        return torch.cat(rows)
