"""Prompts through ComfyUI's text encoders, differentiable in the vectors of embeddings.

ComfyUI takes tensors in place of token numbers, so nothing is hooked and no table is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import comfy.sd1_clip
import torch
from comfy.sd import CLIP
from comfy.sd1_clip import SDClipModel, SDTokenizer
from torch import Tensor

from ...ti_core.errors import UnsupportedModelError
from ...ti_core.families import ENCODER_KEYS, SUPPORTED, by_encoders
from ...ti_core.hosts.common.text import EncodedText, WordVectors
from ...ti_core.port.prompt import find_triggers, pack, read_prompt
from ...ti_core.port.transfer import sent

_UNSPLIT = 8
"""Groups of fewer tokens are not cut at a chunk border (SDTokenizer.max_word_length)."""

Place = tuple["int | Tensor", float]
"""A token number, or one vector of an embedding; and its weight."""
Words = list[Place]


@dataclass(frozen=True)
class Encoder:
    """One text encoder with its tokenizer."""

    key: str
    model: SDClipModel
    tokenizer: SDTokenizer
    clip: CLIP
    """The CLIP that it is part of."""
    pooled: bool
    """As `EncoderSpec.pooled`."""
    skips: bool
    """As `Family.clip_skip`."""

    @property
    def table(self) -> Tensor:
        """(tokens, width) vocabulary, in whatever precision it is stored."""
        return self.model.transformer.get_input_embeddings().weight

    @property
    def layers(self) -> int:
        """How many there are: the largest clip skip."""
        return int(self.model.num_layers)

    @property
    def capacity(self) -> int:
        """Tokens in one chunk, without start and end mark."""
        return int(self.tokenizer.max_length) - 2

    def tokenize(self, text: str) -> list[int]:
        """Ids of a text, every character taken literally, without start and end marks."""
        if not text.strip():
            return []
        read = self.tokenizer.tokenizer
        return [int(n) for n in read(text, add_special_tokens=False, verbose=False)["input_ids"]]

    def token_string(self, number: int) -> str:
        """How a token is written in the vocabulary; `</w>` ends a word."""
        return str(self.tokenizer.inv_vocab[number])

    def chunks_of(self, prompt: str, rows: WordVectors, emphasis: bool) -> list[Sequence[Place]]:
        """The chunks of a prompt, read as ComfyUI does where `emphasis` counts."""
        return list((_read if emphasis else _take_literally)(self, prompt, rows))

    def run(
        self, chunks: Sequence[Sequence[Place]], rows: WordVectors, clip_skip: int
    ) -> EncodedText:
        """States (N, 77, width) with the weights applied, and the pooled text if it counts."""
        with _layer_chosen(self, clip_skip):
            states, ends = _run(self, chunks)
        return states, ends if self.pooled else None

    def marked(self, words: Sequence[int | Tensor]) -> list[int | Tensor]:
        """A chunk as the encoder wants it: start, words, end, padding."""
        marks = self.model.special_tokens
        whole = [marks["start"], *words, marks["end"]]
        return [*whole, *[marks["pad"]] * (self.capacity + 2 - len(whole))]


def encoders_of(clip: CLIP | None) -> tuple[Encoder, ...]:
    """The text encoders of a CLIP, in the order of their family.

    Raises UnsupportedModelError for a CLIP with others than those of the families.
    """
    parts = {} if clip is None else dict(clip.cond_stage_model.named_children())
    kinds = {key: part for key, part in parts.items() if isinstance(part, SDClipModel)}
    if clip is None or not parts or len(kinds) < len(parts) or kinds.keys() - set(ENCODER_KEYS):
        raise UnsupportedModelError(
            "this CLIP cannot be trained here",
            f"its text encoders are {', '.join(parts) or 'missing'}",
            f"use the CLIP of a checkpoint of {SUPPORTED}",
        )
    family, tokenizer = by_encoders(kinds), clip.tokenizer
    return tuple(
        Encoder(key, kinds[key], getattr(tokenizer, key), clip, spec.pooled, family.clip_skip)
        for key, spec in ((spec.key, spec) for spec in family.encoders)
    )


def _take_literally(encoder: Encoder, prompt: str, rows: WordVectors) -> list[Words]:
    """Laid out as the core does it everywhere, so that all hosts train alike."""
    pieces = read_prompt(prompt, rows, emphasis=False)
    lengths = {name: len(vectors) for name, vectors in rows.items()}
    return [
        [
            (slot.token if slot.trigger is None else rows[slot.trigger][slot.row], 1.0)
            for slot in one
        ]
        for one in pack(pieces, encoder.tokenize, lengths, encoder.capacity)
    ]


# --- as ComfyUI reads prompts -------------------------------------------------------------------


def _read(encoder: Encoder, prompt: str, rows: WordVectors) -> list[Words]:
    """`(x)`, `(x:1.2)`, escapes and `embedding:name` as ComfyUI reads them; names by themselves."""
    words = comfy.sd1_clip
    groups: list[Words] = []
    for span, weight in words.token_weights(words.escape_important(prompt), 1.0):
        for piece in find_triggers(words.unescape_important(span), rows):
            if piece.trigger is not None:
                groups.append([(row, weight) for row in rows[piece.trigger]])
            else:
                groups += [
                    [(word, weight) for word in group] for group in _words(encoder, piece.text)
                ]
    return _chunks(groups, encoder.capacity)


def _words(encoder: Encoder, text: str) -> list[list[int | Tensor]]:
    """Tokens of a text, with the vectors of embeddings on the disk, in ComfyUI's groups."""
    escaped = text.replace("(", "\\(").replace(")", "\\)")
    groups: dict[int, list[int | Tensor]] = {}
    chunks = encoder.tokenizer.tokenize_with_weights(escaped, return_word_ids=True)
    for token, _, group in (place for chunk in chunks for place in chunk):
        if group:  # 0 marks start, end and padding
            groups.setdefault(group, []).append(token)
    return list(groups.values())


def _chunks(groups: Sequence[Words], capacity: int) -> list[Words]:
    """As SDTokenizer lays out: short groups stay whole, long ones are cut where a chunk is full."""
    chunks: list[Words] = [[]]
    for group in groups:
        left = group
        while left:
            free = capacity - len(chunks[-1])
            if len(left) <= free:
                chunks[-1] += left
                break
            if len(group) >= _UNSPLIT:
                chunks[-1] += left[:free]
                left = left[free:]
            chunks.append([])
    return chunks


# --- through the encoder ------------------------------------------------------------------------


@contextmanager
def _layer_chosen(encoder: Encoder, clip_skip: int) -> Iterator[None]:
    """While open, the encoder gives the states of the layer that is wanted.

    Clip skip 1 leaves what the graph or the family's custom says.
    """
    model, clip = encoder.model, encoder.clip
    found = {key: value for key, value in vars(model).items() if not key.startswith("_")}
    options: dict[str, object] = {}
    options["execution_device"] = clip.patcher.load_device  # newer ComfyUI computes there
    if clip_skip > 1 and encoder.skips:
        options["layer"] = -clip_skip
    elif clip.layer_idx is not None:
        options["layer"] = clip.layer_idx
    try:
        model.reset_clip_options()
        model.set_clip_options(options)
        yield
    finally:
        for key, value in found.items():
            setattr(model, key, value)


def _run(encoder: Encoder, chunks: Sequence[Sequence[Place]]) -> tuple[Tensor, Tensor]:
    """States (N, 77, width) with the weights applied, and the pooled ends (N, width)."""
    lists = [encoder.marked([word for word, _ in chunk]) for chunk in chunks]
    weighted = [n for n, chunk in enumerate(chunks) if any(weight != 1 for _, weight in chunk)]
    if weighted:
        lists.append(encoder.marked([]))
    states, pooled = encoder.model(lists)[:2]
    if weighted:
        states = _weigh(states[:-1], states[-1:], chunks, weighted)
    return states.float(), pooled


def _weigh(
    states: Tensor, empty: Tensor, chunks: Sequence[Sequence[Place]], weighted: Sequence[int]
) -> Tensor:
    """Each position, seen from the empty prompt's, moves by its weight, as ComfyUI does it."""
    factors = torch.ones(len(weighted), states.shape[1], 1)
    for row, n in enumerate(weighted):
        for i, (_, weight) in enumerate(chunks[n]):
            factors[row, 1 + i] = weight
    index, factors = sent(torch.tensor(weighted), states.device), sent(factors, states.device)
    before = states.index_select(0, index)
    after = torch.where(factors == 1, before, (before - empty) * factors + empty)
    return states.index_copy(0, index, after)
