"""The processes that make one run together, as `torchrun` and `accelerate launch` start them.

The first process (rank 0) is the run: it has the optimizer, the state, the files and the user. For
each update it gives the others an order and the present tensors; every process computes the
gradients of its share of the images, and their sum is what one process alone would have got. The
others keep nothing, so that a run can be resumed with any number of processes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from .control import Control


class Sums(NamedTuple):
    """What an update's passes come to besides gradients, in one process or in all."""

    losses: tuple[Tensor, ...] = ()
    """() each, of the passes in their order: their sum is the mean loss."""
    taught: frozenset[str] = frozenset()
    """Names of what the whole update could teach: the same in every process."""

    @property
    def loss(self) -> float:
        """Read from the device, for which the program waits."""
        return sum(loss.item() for loss in self.losses)


@dataclass(frozen=True)
class Order:
    """What every process computes next: gradients of an update."""

    step: int
    scale: float
    """What the loss is multiplied by."""
    savings: Mapping[str, object] = field(default_factory=dict)
    """As `ladder.Savings.values`."""


class Group:
    """One process alone; `processes.Processes` are several."""

    rank, size = 0, 1

    def rows(self, number: int, first: int, count: int) -> Tensor | None:
        """Which images of a pass are this process's share; None is all of them.

        `number` is the pass's, `count` are its images, `first` were in the update before it.
        """
        return None

    def together(self, order: Order, leaves: Sequence[Tensor], work: Callable[[], Sums]) -> Sums:
        """Have an order carried out. `work` adds the gradients of this process's share to the
        leaves; afterwards they have those of all. Raises HostMemoryError when memory ran out in any
        process, TrainingError when one is gone."""
        return work()

    def agree(self, told: str, control: Control) -> None:
        """Wait until all are ready, or the user ends the run. Raises TrainingError where `told`,
        what is trained, is not the same in all."""

    def end(self) -> None:
        """No order follows."""


def started_processes() -> int:
    """How many processes a launcher has started for this run; 1 without one."""
    size = os.environ.get("WORLD_SIZE", "1")
    return int(size) if size.isdecimal() and "RANK" in os.environ else 1


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """The group of this process, from the variables that a launcher sets. Raises TrainingError when
    the others cannot be reached."""
    if started_processes() < 2:
        yield Group()
        return
    from .processes import join

    group = join()
    try:
        yield group
    finally:
        group.end()
