"""Which words of a prompt are embeddings for a CLIP: its own tokenizers are asked."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..ti_core.prompts.missed import missed
from ..ti_core.prompts.words import Found, Known, Missed, PromptWords
from .applied import called_name, taught_weight, taught_words, tokenizers_of
from .collection import collection
from .prompt_names import IDENTIFIER

if TYPE_CHECKING:
    from comfy.sd import CLIP
    from comfy.sd1_clip import SDTokenizer


@dataclass(frozen=True)
class _Seen:
    """A name that a tokenizer has looked up, with rows that it got for it."""

    name: str
    rows: int
    width: int
    chunk: int
    weight: float


def words_of(clip: CLIP, text: str) -> PromptWords:
    """Which words of a prompt this CLIP takes for embeddings, and which look as if they were meant
    to be: of those that the CLIP was taught and of the embeddings folders.

    Raises UnsupportedModelError for a CLIP whose tokenizers look nothing up.
    """
    parts = tokenizers_of(clip.tokenizer)
    widths = {key: part.embedding_size for key, part in parts.items()}
    seen = {key: list(_seen(part, text)) for key, part in parts.items()}
    names = [one.name for one in max(seen.values(), key=len)]
    spans = list(_spans(text, names))
    found, unfit = [], []
    for number, (name, span) in enumerate(zip(names, spans, strict=True)):
        there = {key: some[number] for key, some in seen.items() if number < len(some)}
        fitting = {key: one for key, one in there.items() if one.width == widths[key]}
        found += [_found(name, span, fitting)] if fitting else []
        unfit += [_unfit(name, span, there, widths)] if len(fitting) < len(there) else []
    known = [*_taught(clip), *collection.look().known()]
    first = next(iter(parts.values()))
    others = missed(
        text, spans, known, lambda t: _tokens(first, t), tuple(widths.values()), IDENTIFIER
    )
    told = sorted((*unfit, *others), key=lambda one: one.start)
    return PromptWords(tuple(found), tuple(told))


def _seen(part: SDTokenizer, text: str) -> Iterator[_Seen]:
    """What a tokenizer finds in a text, in the order of the text."""
    asked: list[tuple[str, torch.Tensor]] = []
    watched = copy.copy(part)
    if watched.embedding_directory is None:  # nothing is looked up
        return

    def note(name: str) -> tuple[torch.Tensor | str | None, ...]:
        rows, *others = part._try_get_embedding(name)
        if torch.is_tensor(rows):
            asked.append((called_name(name, others).strip(","), rows))
        return (rows, *others)

    watched._try_get_embedding = note
    chunks = type(part).tokenize_with_weights(watched, text)
    rows = [(n, place) for n, chunk in enumerate(chunks, 1) for place in chunk if _is_row(place[0])]
    at = 0
    for name, found in asked:
        table = found if found.dim() > 1 else found[None]
        chunk, place = rows[at]
        at += len(table)
        weight = float(place[1]) * taught_weight(part, name)
        yield _Seen(name, len(table), table.shape[1], chunk, weight)


def _is_row(token: object) -> bool:
    return torch.is_tensor(token)


def _spans(text: str, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the names stand, with what stands before them; (-1, -1) where that cannot be told."""
    at = 0
    for name in names:
        spelled = re.escape(name).replace(r"\(", r"\\?\(").replace(r"\)", r"\\?\)")
        match = re.compile(f"{IDENTIFIER}{spelled}").search(text, at)
        if match:
            at = match.end()
        yield match.span() if match else (-1, -1)


def _found(name: str, span: tuple[int, int], fitting: dict[str, _Seen]) -> Found:
    first = next(iter(fitting.values()))
    counts = {key: one.rows for key, one in fitting.items()}
    return Found(name, *span, first.chunk, counts, first.weight)


def _unfit(
    name: str, span: tuple[int, int], there: dict[str, _Seen], widths: dict[str, int]
) -> Missed:
    """ComfyUI leaves rows of another width out, and says so in its console only."""
    wrong = ", ".join(
        f"{key} takes {widths[key]} numbers a vector, the file has {one.width}"
        for key, one in there.items()
        if one.width != widths[key]
    )
    what = f"{IDENTIFIER}{name} is left out for {' and '.join(_wrong(there, widths))}"
    return Missed(name, *span, what, wrong, "use an embedding for this kind of model")


def _wrong(there: dict[str, _Seen], widths: dict[str, int]) -> list[str]:
    return [key for key, one in there.items() if one.width != widths[key]]


def _taught(clip: CLIP) -> Iterator[Known]:
    for words in taught_words(clip).values():
        yield from map(Known, words)


def _tokens(part: SDTokenizer, text: str) -> list[int]:
    return part.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
