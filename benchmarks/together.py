"""Several runs on one model at once, whose passes over the network are made as one.

A pass over the demo model is so small that a single image costs three times what one of sixteen
does. So each run has a thread; one of them works at a time, and where all wait for the network, it
sees their images together. A run computes what it would compute alone, but for rounding: sums
are made in another order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from ti_core.hosts.common.session import BaseSession
from ti_core.port.session import Conditioning, Hypernetwork, ModelFacts, Precision

T = TypeVar("T")
AT_ONCE = 16
"""Images in a pass; more need more memory and save nothing."""


@dataclass(eq=False)
class Ask:
    """What one run waits for: the answer of the network, or the gradient of its context."""

    noisy: Tensor
    times: Tensor
    context: Tensor
    slope: Tensor | None = None
    """Of the answer; None while the answer itself is wanted."""
    answer: Tensor | None = None
    group: Group | None = None


@dataclass(eq=False)
class Group:
    """A pass, and the graph that it leaves behind."""

    members: list[Ask]
    context: Tensor
    output: Tensor

    def gradients(self) -> None:
        """The answer of every member: the gradient of its context."""
        slopes = [torch.zeros_like(m.noisy) if m.slope is None else m.slope for m in self.members]
        with torch.enable_grad():
            (found,) = torch.autograd.grad(self.output, self.context, torch.cat(slopes))
        for member, part in zip(self.members, _parts(found, self.members), strict=True):
            member.answer, member.group = part, None  # the graph is not needed any more


def _parts(whole: Tensor, members: Sequence[Ask]) -> Sequence[Tensor]:
    return whole.split([len(member.noisy) for member in members])


@dataclass
class Together(Generic[T]):
    """Runs jobs in threads of which one works at a time; `session.predict` is theirs meanwhile."""

    session: BaseSession
    alone: Callable[..., Tensor] = field(init=False)
    turn: threading.Condition = field(default_factory=threading.Condition)
    working: int = 0
    asks: list[Ask] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def results(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """What the jobs return, in their order. Raises what the first that failed has raised."""
        found: dict[int, T] = {}
        self.working = len(jobs)
        threads = [
            threading.Thread(target=self._work, args=(number, job, found), daemon=True)
            for number, job in enumerate(jobs)
        ]
        with self._lent():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self.errors:
            raise self.errors[0]
        return [found[number] for number in range(len(jobs))]

    def _work(self, number: int, job: Callable[[], T], found: dict[int, T]) -> None:
        with self.turn:
            try:
                found[number] = job()
            except BaseException as error:
                self.errors.append(error)
            finally:
                self.working -= 1
                self._answer_if_all_wait()

    @contextmanager
    def _lent(self) -> Iterator[None]:
        """While open, calls of the session's network come here."""
        self.alone = self.session.predict
        self.session.predict = self._predict  # type: ignore[method-assign]
        try:
            yield
        finally:
            self.session.predict = self.alone  # type: ignore[method-assign]

    def _predict(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None = None,
    ) -> Tensor:
        context = conditioning.context
        if torch.is_grad_enabled() and context.requires_grad:
            return _Pass.apply(context, self, Ask(noisy, timesteps, context))
        return self.answer(Ask(noisy, timesteps, context.detach()))

    def answer(self, ask: Ask) -> Tensor:
        """Wait until the network has answered; others work meanwhile."""
        ask.answer = None
        self.asks.append(ask)
        self._answer_if_all_wait()
        self.turn.wait_for(lambda: ask.answer is not None or self.errors)
        if ask.answer is None:
            raise RuntimeError("another run has failed")
        return ask.answer

    def _answer_if_all_wait(self) -> None:
        if self.errors:
            self.asks.clear()
        elif len(self.asks) == self.working and self.asks:
            waiting, self.asks = self.asks, []
            self._answer_all(waiting)
        else:
            return
        self.turn.notify_all()

    def _answer_all(self, waiting: list[Ask]) -> None:
        """Answers first: who waits for gradients still does when the others have caught up."""
        fresh = [ask for ask in waiting if ask.slope is None]
        if not fresh:
            for group in {id(ask.group): ask.group for ask in waiting}.values():
                assert group is not None
                group.gradients()
            return
        self.asks = [ask for ask in waiting if ask.slope is not None]
        for members in _batches(fresh):
            self._pass(members)

    def _pass(self, members: list[Ask]) -> None:
        wanted = any(ask.context.requires_grad for ask in members)
        context = torch.cat([ask.context.detach() for ask in members]).requires_grad_(wanted)
        noisy = torch.cat([ask.noisy for ask in members])
        times = torch.cat([ask.times for ask in members])
        with torch.set_grad_enabled(wanted):
            output = self.alone(noisy, times, Conditioning(context))
        group = Group(members, context, output)
        for ask, part in zip(members, _parts(output.detach(), members), strict=True):
            ask.group, ask.answer = group, part


def _batches(asks: Sequence[Ask]) -> Iterator[list[Ask]]:
    part: list[Ask] = []
    for ask in asks:
        if part and sum(len(a.noisy) for a in part) + len(ask.noisy) > AT_ONCE:
            yield part
            part = []
        part.append(ask)
    yield part


class _Pass(torch.autograd.Function):
    """The network's answer, whose gradient is asked for together, too."""

    @staticmethod
    def forward(kept: Any, context: Tensor, together: Together[Any], ask: Ask) -> Tensor:
        kept.together, kept.ask = together, ask
        return together.answer(ask)

    @staticmethod
    def backward(kept: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        kept.ask.slope = slope
        return kept.together.answer(kept.ask), None, None


@dataclass
class SharedHost:
    """A host whose session is open already, in fp32, for all runs at once."""

    host: Any
    opened: BaseSession

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)

    def describe(self) -> ModelFacts:
        """Of the model."""
        return self.host.describe()

    @contextmanager
    def session(self, precision: Precision = "no") -> Iterator[BaseSession]:
        """The one that is open. Raises ValueError for a precision that it does not compute in."""
        if precision != "no":
            raise ValueError(f"the session is open in fp32; {precision} would not be computed in")
        yield self.opened
