"""Gradients that a comparison of starts has computed, for the run that begins with those updates.

The gradients of an update are a function of its order and of the tensors, so that those of another
run are its own where both are equal; where they are not, they are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .group import Group, Order, Sums


@dataclass(frozen=True)
class Gradients:
    """What the passes of an update came to."""

    order: Order
    tensors: list[Tensor]
    """At which the gradients were computed."""
    values: list[Tensor | None]
    sums: Sums


class Recorder(Group):
    """One process alone, which keeps what it computes: some bytes for each number that is trained.
    An update that is made twice leaves the second attempt."""

    def __init__(self) -> None:
        self.made: dict[int, Gradients] = {}
        """By the number of finished updates."""

    def together(self, order: Order, leaves: Sequence[Tensor], work: Callable[[], Sums]) -> Sums:
        """As `Group.together`."""
        sums = work()
        tensors = [leaf.detach().clone() for leaf in leaves]
        values = [None if leaf.grad is None else leaf.grad.clone() for leaf in leaves]
        self.made[order.step] = Gradients(order, tensors, values, sums)
        return sums


class MadeBefore(Group):
    """One process alone, to which some updates are known. None of them is needed twice."""

    def __init__(self, made: dict[int, Gradients]) -> None:
        self._made = made

    def together(self, order: Order, leaves: Sequence[Tensor], work: Callable[[], Sums]) -> Sums:
        """As `Group.together`; gradients and sums that are known take no passes."""
        known = self._made.pop(order.step, None)
        if known is None or known.order != order or not _equal(leaves, known.tensors):
            return work()
        for leaf, gradient in zip(leaves, known.values, strict=True):
            leaf.grad = gradient
        return known.sums


def _equal(leaves: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return all(torch.equal(leaf, other) for leaf, other in zip(leaves, others, strict=True))
