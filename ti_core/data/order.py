"""Which image comes when: every image once per epoch, in an order that the seed decides."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..randomness import generator


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation of range(count), a function of its arguments alone."""
    return torch.randperm(count, generator=generator(seed, "order", epoch)).tolist()


def batch_items(count: int, seed: int, step: int, per_step: int) -> list[int]:
    """The images that update number `step` (from 0) sees: `per_step` of `count` images.

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


@dataclass(frozen=True)
class SizeGroup:
    """Images that may be in one batch: all of one size."""

    pictures: tuple[int, ...]
    """Numbers of the images, each as often as it comes in an epoch."""
    batch_size: int


@dataclass(frozen=True)
class Order:
    """The batches of every update, as a function of its number.

    With images of one size every batch is full; batches continue from one epoch into the next.
    With several sizes an epoch has a whole number of batches, the last one of a size may be
    smaller, and all of them are shuffled (as in kohya's scripts).
    """

    groups: tuple[SizeGroup, ...]
    seed: int
    passes: int = 1
    """Batches of one update."""

    def of_step(self, step: int) -> list[list[int]]:
        """The images of each batch of the update after `step` finished ones."""
        if len(self.groups) == 1:
            return self._walk(self.groups[0], step)
        first = step * self.passes
        return [self._batch(index) for index in range(first, first + self.passes)]

    def epoch(self, step: int) -> tuple[int, int]:
        """(epoch, update within it) of the update after `step` finished ones, both from 0."""
        epoch, place = divmod(step * self._per_step, self._length)
        return epoch, place // self._per_step

    def epochs_done(self, step: int) -> int:
        """How many epochs are behind a run of `step` updates."""
        return step * self._per_step // self._length

    def steps_of(self, epochs: int) -> int:
        """The updates that it takes to see every image so often."""
        return -(-epochs * self._length // self._per_step)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in which every image is seen; the last may begin the next epoch."""
        return -(-self._length // self._per_step)

    @property
    def _per_step(self) -> int:
        """Images that make an update, or batches where there are several sizes."""
        single = len(self.groups) == 1
        return self.groups[0].batch_size * self.passes if single else self.passes

    @property
    def _length(self) -> int:
        """Images of an epoch, or batches where there are several sizes."""
        if len(self.groups) == 1:
            return len(self.groups[0].pictures)
        return sum(-(-len(each.pictures) // each.batch_size) for each in self.groups)

    def _walk(self, group: SizeGroup, step: int) -> list[list[int]]:
        places = batch_items(len(group.pictures), self.seed, step, self._per_step)
        found = [group.pictures[place] for place in places]
        return _portions(found, group.batch_size)

    def _batch(self, index: int) -> list[int]:
        epoch, place = divmod(index, self._length)
        return _epoch_batches(self.groups, self.seed, epoch)[place]


@functools.lru_cache(maxsize=2)
def _epoch_batches(groups: tuple[SizeGroup, ...], seed: int, epoch: int) -> list[list[int]]:
    """All batches of an epoch, shuffled."""
    batches: list[list[int]] = []
    for number, group in enumerate(groups):
        count = len(group.pictures)
        source = generator(seed, "order within a size", epoch, number)
        order = torch.randperm(count, generator=source).tolist()
        batches += _portions([group.pictures[place] for place in order], group.batch_size)
    return [batches[place] for place in epoch_order(len(batches), seed, epoch)]


def _portions(pictures: Sequence[int], size: int) -> list[list[int]]:
    return [list(pictures[first : first + size]) for first in range(0, len(pictures), size)]


def balance_repeats(repeats: Sequence[int], wanted: int) -> list[int]:
    """How often each regularization image comes in an epoch, so that together they come at least
    `wanted` times, as often as the training images: kohya's rule (sd-scripts,
    `DreamBoothDataset`). First each as often as its folder says, then one after the other once
    more; those for which there is no need are left out.
    """
    found = [0] * len(repeats)
    total, more = 0, list(repeats)
    while total < wanted and any(repeats):
        for index, times in enumerate(more):
            found[index] += times
            total += times
            if total >= wanted:
                break
        more = [1] * len(repeats)
    return found
