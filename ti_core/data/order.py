"""Which picture comes when: every picture once per epoch, in an order that the seed decides."""

from __future__ import annotations

import torch

from ..randomness import generator


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation of range(count), a function of its arguments alone."""
    return torch.randperm(count, generator=generator(seed, "order", epoch)).tolist()


def batch_items(count: int, seed: int, step: int, per_step: int) -> list[int]:
    """The pictures that update number `step` (from 0) sees: `per_step` of `count` pictures.

    Consecutive steps walk through the epochs' orders without a gap, so a batch may take the end
    of one epoch and the start of the next.
    """
    first = step * per_step
    orders: dict[int, list[int]] = {}
    items = []
    for index in range(first, first + per_step):
        epoch, place = divmod(index, count)
        order = orders.setdefault(epoch, [])
        if not order:
            order.extend(epoch_order(count, seed, epoch))
        items.append(order[place])
    return items
