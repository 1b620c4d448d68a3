"""Several processes as a group: orders by torch's key-value store, numbers by its collectives."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import torch
from torch import Tensor, distributed
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from ..errors import HostMemoryError, TrainingError
from ..port.memory import free_memory, memory_errors
from .control import Control
from .group import Group, Order, Sums

LONGEST_UPDATE = datetime.timedelta(minutes=30)
"""A process that computes longer is taken for dead."""
_LOOK_EVERY, _LOOK_AT_MOST = 0.001, 0.05
"""Seconds between two looks for an order; they grow while none comes."""
_GRACE = 5.0
"""Seconds that a process waits for orders after a signal has asked it to end."""


def join() -> Processes:
    """Meet the processes that the launcher has started (RANK, WORLD_SIZE, MASTER_ADDR …).

    Each takes the graphics card of its number. NCCL needs one for each process; else numbers travel
    by gloo. Raises TrainingError.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cards = torch.cuda.device_count()
    if cards:
        torch.cuda.set_device(local % cards)
    alone = 0 < int(os.environ.get("LOCAL_WORLD_SIZE", "1")) <= cards
    with lost_processes():
        store, rank, size = next(rendezvous("env://", timeout=LONGEST_UPDATE))
        distributed.init_process_group(
            "nccl" if alone else "gloo",
            store=PrefixStore("group", store),
            rank=rank,
            world_size=size,
            timeout=LONGEST_UPDATE,
        )
    device = torch.device("cuda", local) if alone else torch.device("cpu")
    return Processes(PrefixStore("ti", store), rank, size, device)


class Processes(Group):
    """See `Group`; one instance in each process."""

    def __init__(self, store: Store, rank: int, size: int, device: torch.device) -> None:
        """`device`: from where numbers travel."""
        self.rank, self.size = rank, size
        self._store, self._device, self._number = store, device, 0

    def rows(self, number: int, first: int, count: int) -> Tensor | None:
        """Dealt out one by one, over all passes of the update."""
        places = torch.arange(count)
        return places[(places + first) % self.size == self.rank]

    # -- the first process ------------------------------------------------------------------

    def agree(self, told: str, control: Control) -> None:
        """See `Group`."""
        for rank in range(1, self.size):
            if not self._wait(f"ready {rank}", lambda: control.finishing, grace=0.0):
                return
            with lost_processes():
                theirs = self._store.get(f"ready {rank}").decode()
            if theirs != told:
                why = f"process {rank} has other settings, images or another model"
                fix = "start all of them by one command, on the same files"
                raise TrainingError("the processes do not train the same", why, fix)

    def together(self, order: Order, leaves: Sequence[Tensor], work: Callable[[], Sums]) -> Sums:
        """See `Group`."""
        self._give(json.dumps(asdict(order)))
        return self._computed(leaves, work)

    def end(self) -> None:
        """See `Group`. The first process may hold the store, and waits until the others have left
        it; those that are lost it does not miss for long."""
        with contextlib.suppress(TrainingError):
            if self.rank:
                self._store.set(f"left {self.rank}", "")
                return
            self._give("")
            until = time.monotonic() + _GRACE
            for rank in range(1, self.size):
                self._wait(f"left {rank}", lambda: True, until - time.monotonic())

    def _give(self, order: str) -> None:
        with lost_processes():
            self._store.set(f"order {self._number}", order)
        self._number += 1

    # -- the others -------------------------------------------------------------------------

    def ready(self, told: str) -> None:
        """Tell the first process that this one can compute, and what it trains."""
        with lost_processes():
            self._store.set(f"ready {self.rank}", told)

    def orders(self, asked_to_end: Callable[[], bool]) -> Iterator[Order]:
        """Until there are no more, or some seconds after this process was asked to end."""
        while self._wait(f"order {self._number}", asked_to_end, _GRACE):
            with lost_processes():
                told = self._store.get(f"order {self._number}")
                if self.rank == 1 and self._number:  # every process has read the one before
                    self._store.delete_key(f"order {self._number - 1}")
            self._number += 1
            if not told:
                return
            yield Order(**json.loads(told))

    def carry_out(self, leaves: Sequence[Tensor], work: Callable[[], Sums]) -> None:
        """Compute the share of this process. When memory runs out, the first process decides."""
        _forget(leaves)
        try:
            self._computed(leaves, work)
        except HostMemoryError:
            _forget(leaves)
            free_memory()

    # -- all of them ------------------------------------------------------------------------

    def _wait(self, key: str, asked_to_end: Callable[[], bool], grace: float) -> bool:
        """However long the user pauses; False when this process was asked to end `grace` ago."""
        pause, asked = _LOOK_EVERY, 0.0
        while True:
            with lost_processes():
                if self._store.check([key]):
                    return True
            asked = asked or (time.monotonic() if asked_to_end() else 0.0)
            if asked and time.monotonic() - asked >= grace:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LOOK_AT_MOST)

    def _computed(self, leaves: Sequence[Tensor], work: Callable[[], Sums]) -> Sums:
        """With the first process's numbers in the leaves. Whatever comes of the work, all processes
        meet behind it."""
        self._spread(leaves)
        own, failure = Sums(), ""
        try:
            with memory_errors():
                own = work()
        except HostMemoryError as error:
            failure = error.why or error.what
        loss, failures = self._summed(leaves, (own.loss, bool(failure)))
        if failures:
            what = f"{failures:.0f} of {self.size} processes ran out of memory"
            raise HostMemoryError(what, failure, "use a smaller batch size or image size")
        return Sums((torch.tensor(loss, dtype=torch.float64),), own.taught)

    def _spread(self, leaves: Sequence[Tensor]) -> None:
        whole = torch.cat([leaf.detach().flatten() for leaf in leaves]).to(self._device)
        with lost_processes():
            distributed.broadcast(whole, 0)
        if self.rank:
            _put(leaves, whole)

    def _summed(self, leaves: Sequence[Tensor], numbers: Sequence[float]) -> list[float]:
        """Numbers and gradients of all, in fp64, so that rounding depends little on their order. A
        leaf that has no gradient in any process has none."""
        grads = [leaf.grad for leaf in leaves]
        heads = [*map(float, numbers), *(float(grad is not None) for grad in grads)]
        parts = [
            torch.zeros_like(leaf) if grad is None else grad
            for leaf, grad in zip(leaves, grads, strict=True)
        ]
        flat = [torch.tensor(heads, dtype=torch.float64)]
        flat += [part.detach().flatten().double().cpu() for part in parts]
        whole = torch.cat(flat).to(self._device)
        with lost_processes():
            distributed.all_reduce(whole)
        sums: list[float] = whole[: len(heads)].tolist()
        _put(parts, whole[len(heads) :])
        for leaf, part, has_one in zip(leaves, parts, sums[len(numbers) :], strict=True):
            leaf.grad = part if has_one else None
        return sums[: len(numbers)]


@torch.no_grad()
def _put(tensors: Sequence[Tensor], flat: Tensor) -> None:
    """Write numbers that were flattened and joined back in place."""
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def _forget(leaves: Sequence[Tensor]) -> None:
    for leaf in leaves:
        leaf.grad = None


@contextlib.contextmanager
def lost_processes() -> Iterator[None]:
    """Whatever torch says of a process that is gone or does not answer."""
    try:
        yield
    except RuntimeError as error:
        told = str(error).splitlines()[0] if str(error) else ""
        what = "another process of the run is gone, or does not answer"
        fix = "its own message says more; resume the run, with any number of processes"
        raise TrainingError(what, told, fix) from error
