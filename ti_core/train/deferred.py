"""How many updates are made before their losses are read.

Reading a number from an accelerator waits until everything before it has been computed, and then
the accelerator waits for the next step. So several updates are queued as if all were well, and
their losses are read together. Where one of them was not a finite number, all are undone on the
device and made again, one by one (`Updater.updates`): results never depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from ..port.session import Session
from ..port.transfer import is_queued
from .learnable import Learnable
from .measuring import is_measured
from .milestones import copy_is_due, previews_are_due, state_is_due, validation_is_due
from .plan import Plan

_MOST = 20
"""Updates; more would gain nothing."""
_SECONDS = 2.0
"""How long a user waits to see a loss, or for an answer to a request."""
_MOST_BYTES = 64 * 2**20
"""Of what is trained; an optimizer has about as much twice, and all is held to be undone."""


class Deferred:
    """Counts updates to be read together, from the time that they take."""

    def __init__(self, plan: Plan, session: Session, learnable: Learnable, alone: bool) -> None:
        """`alone`: no other processes share the updates; these read each of them."""
        size = sum(tensor.nbytes for tensor in learnable.tensors.values())
        self._plan = plan
        self._possible = is_queued(session.device) and alone and size <= _MOST_BYTES
        self._pace = _SECONDS
        """Seconds of an update; at first a long time."""
        self._single_until = 0

    def count(self, step: int, last: int) -> int:
        """How many to make after `step`: until something is due, and never longer than a user
        should wait; the run ends at `last`."""
        if not self._possible or step < self._single_until:
            return 1
        most = max(1, min(_MOST, int(_SECONDS / max(self._pace, 1e-3))))
        return next((n for n in range(1, most) if step + n >= last or self._is_due(step + n)), most)

    def took(self, count: int, seconds: float) -> None:
        """So many updates took so long."""
        self._pace = seconds / count

    def undone(self, step: int, count: int) -> None:
        """So many after `step` were undone: they are made one by one."""
        self._single_until = step + count

    def _is_due(self, step: int) -> bool:
        plan, options = self._plan, self._plan.config.optimizer
        return (
            any(part.start == step for part in options.schedule.segments)
            or state_is_due(plan, step)
            or copy_is_due(plan, step)
            or previews_are_due(plan, step)
            or validation_is_due(plan, step)
            or is_measured(plan, step)
        )


def read_together(groups: Sequence[Sequence[Tensor]]) -> list[list[float]]:
    """Numbers of () tensors of one device and dtype, for which the program waits once."""
    read: list[float] = torch.stack([one for group in groups for one in group]).cpu().tolist()
    numbers = iter(read)
    return [list(islice(numbers, len(group))) for group in groups]
