"""Chunks of slots ↔ a text encoder: numbers and vectors go in, weighted states come out.

For encoders whose token embedding is a module of its own, as in diffusers and the web UIs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...port.prompt import Slot
from ...port.transfer import sent


def chunk_ids(chunk: Sequence[Slot], start: int, end: int, pad: int, positions: int) -> list[int]:
    """Start, tokens, end, and padding to the encoder's length."""
    ids = [start, *(slot.token for slot in chunk), end]
    return ids + [pad] * (positions - len(ids))


@contextmanager
def insert_vectors(
    table: nn.Module, chunks: Sequence[Sequence[Slot]], rows: Mapping[str, Tensor]
) -> Iterator[None]:
    """While open, `table` gives the embeddings' vectors at their positions."""
    places = [
        (n, 1 + i, slot.trigger, slot.row)
        for n, chunk in enumerate(chunks)
        for i, slot in enumerate(chunk)
        if slot.trigger is not None
    ]
    if not places:
        yield
        return
    values, index = _gather(next(table.parameters()).device, places, rows)

    def replace(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output.index_put(index, values.to(output))

    handle = table.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def _gather(
    device: torch.device,
    places: Sequence[tuple[int, int, str, int]],
    embeddings: Mapping[str, Tensor],
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Vectors (M, width) and where they go: (chunk, position), M numbers each."""
    names = list(dict.fromkeys(place[2] for place in places))
    tables = [embeddings[name].to(device) for name in names]
    starts, start = {}, 0
    for name, table in zip(names, tables, strict=True):
        starts[name], start = start, start + len(table)
    numbers = [(starts[name] + row, chunk, position) for chunk, position, name, row in places]
    rows, chunk, position = sent(torch.tensor(numbers).t().contiguous(), device)
    return torch.cat(tables).index_select(0, rows), (chunk, position)


def slot_weights(chunk: Sequence[Slot], positions: int) -> list[float]:
    """The weight of every position of a chunk, marks and padding among them."""
    weights = [1.0, *(slot.weight for slot in chunk)]
    return weights + [1.0] * (positions - len(weights))


def emphasise(states: Tensor, chunks: Sequence[Sequence[Slot]]) -> Tensor:
    """Multiply each position by its weight, then restore the chunk's mean (A1111's "Original").

    Chunks without any weight are left alone, bit for bit.
    """
    weighted = [n for n, chunk in enumerate(chunks) if any(slot.weight != 1 for slot in chunk)]
    if not weighted:
        return states
    factors = torch.tensor([slot_weights(chunks[n], states.shape[1]) for n in weighted])
    factors = sent(factors[..., None], states.device)
    index = sent(torch.tensor(weighted), states.device)
    before = states.index_select(0, index).float()
    after = before * factors
    restored = after * (before.mean((1, 2), keepdim=True) / after.mean((1, 2), keepdim=True))
    return states.float().index_copy(0, index, restored)
