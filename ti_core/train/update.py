"""One update: passes over the model, and what becomes of their gradients."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import HostMemoryError, NotFiniteError, setting
from ..port.memory import free_memory, memory_errors
from ..port.session import Session
from ..schedule import Fall
from .averages import Averages
from .batches import Batch, Batches
from .control import LARGEST_CHANGE, SMALLEST_CHANGE
from .deferred import read_together
from .gradients import LossScale, all_finite, clip, finite, unscale
from .group import Group, Order, Sums
from .ladder import Ladder, Rung, Savings
from .learnable import MARK, Learnable, copies, restore, snapshot
from .movement import Movement
from .optimizer_memory import OptimizerMemory, OptimizerValue
from .optimizers import require_optimizer, set_rate
from .plan import Plan
from .share import Share
from .smoothing import smoothed
from .state import TrainState

_MOST_RECOVERIES = 3


@dataclass(frozen=True)
class Made:
    """An update that was made."""

    step: int
    """Counted from 1."""
    rate: float
    taught: frozenset[str]
    """Names of products that it could teach."""
    loss: float = math.nan
    """Mean of its passes; not known before it is read."""


@dataclass(frozen=True)
class Held:
    """What updates change, kept on its device to undo them."""

    step: int
    tensors: Mapping[str, Tensor]
    moments: Mapping[str, OptimizerValue]
    averages: Mapping[str, Tensor]
    scale: LossScale


class Updater:
    """Trains a learnable. Owns what an update changes: optimizer, loss scale, number of steps."""

    def __init__(
        self, plan: Plan, session: Session, learnable: Learnable, group: Group | None = None
    ) -> None:
        """Continues from the plan's state, with all attempts to recover."""
        options = plan.config
        self._plan, self._learnable, self._group = plan, learnable, group or Group()
        self._names = sorted(learnable.tensors)
        self._share = Share(plan, session, learnable, self._group)
        self._leaves = self._share.leaves
        entry = require_optimizer(options.optimizer.optimizer_type)
        groups = [{"params": [leaf]} for leaf in self._leaves]
        parameters = groups if options.optimizer.by_encoder else self._leaves
        self._optimizer = entry.make(parameters, **options.optimizer.arguments)
        self._memory = OptimizerMemory(self._optimizer)
        self._averages = Averages(learnable.tensors, options.optimizer.ema_decay)
        self._scale = LossScale.for_precision(options.compute.precision())
        self.ladder = _ladder(plan, session)
        self._alive: set[str] = set()
        """Names of products whose gradients were seen."""
        self._movements = {name: self._movement(name) for name in plan.names}
        self.step, self.rate_factor, self.recoveries = 0, 1.0, 0
        self.rate_changes: list[list[float]] = []
        self.fall: Fall | None = None
        """Of the rate; None is over all steps."""
        self.loss: float | None = None
        """Running mean, which continues over a resume; see `smoothed`."""
        self.torn = False
        """An update was interrupted within its last stage: the tensors belong to no step."""
        if plan.state:
            self.restore(plan.state)
            self.rate_factor = plan.state.rate_factor
            self.rate_changes = list(plan.state.rate_changes)

    def update(self, batches: Batches) -> Made | None:
        """Make the next update.

        Returns None where loss or gradients are not finite at any loss scale, and nothing has
        changed then. Raises NoGradientError for a tensor that the images do not depend on,
        HostMemoryError.
        """
        with memory_errors():
            # gradients: those of the mean loss of all passes, in every leaf
            found = self._finite_gradients(batches)
            # overflow: the same passes again, at half the loss scale
            while found is None and self._scale.shrink():
                found = self._finite_gradients(batches)
            if found is None:
                return None
            sums, loss = found
            self._require_alive(sums)
            self.torn = True
            made = self._step(sums)
            self.torn = False
        return self._count(made, loss)

    def updates(
        self, batches: Batches, count: int, is_asked: Callable[[], bool]
    ) -> list[Made] | None:
        """The same for up to `count` updates, fewer where `is_asked`, whose numbers are read
        together at the end.

        Returns None where one of them was not finite or memory ran out, and nothing has changed
        then; neither has it where another error is raised.
        """
        held, made, found = self._hold(), list[Made](), list[list[Tensor]]()
        self.torn = True
        try:
            with memory_errors():
                while len(made) < count and not (made and is_asked()):
                    sums = self._gradients(batches.of_step(self.step))
                    # on the device, also where no prompt has the word and nothing has a gradient
                    fine = finite([*sums.losses, *self._slopes])
                    found.append([fine.float(), *sums.losses])
                    self._require_alive(sums)
                    made.append(self._step(sums))
                # read, the only wait for the device: is all finite, and losses of passes
                read = read_together(found)
        except HostMemoryError:
            read = []
        except BaseException:
            self._undo(held)
            raise
        losses = [sum(parts) for fine, *parts in read if fine]
        if not losses or len(losses) < len(found):
            self._undo(held)
            return None
        self.torn = False
        return [self._count(one, loss) for one, loss in zip(made, losses, strict=True)]

    def _step(self, sums: Sums) -> Made:
        """Leaves, optimizer, averages, scale and count change together, by the gradients."""
        # clip: each number, or the length over all leaves
        clip(self._leaves, self._plan.config.optimizer, self.step)
        # rate: schedule, warm-up and decay, halved after each recovery
        rate = self.rate
        set_rate(self._optimizer, *self._rates())
        # step
        self._optimizer.step()
        self._learnable.settle()
        self._scale.count_good()
        self.step += 1
        self._averages.follow(self.step)
        return Made(self.step, rate, sums.taught)

    def _count(self, made: Made, loss: float) -> Made:
        """What follows from an update whose loss is known."""
        self.loss = smoothed(self.loss, loss)
        for name in made.taught:
            self._movements[name].count(made.rate)
        return replace(made, loss=loss)

    def _hold(self) -> Held:
        tensors, averages = copies(self._learnable.tensors), copies(self._averages.values)
        return Held(self.step, tensors, self._memory.copies(), averages, replace(self._scale))

    def _undo(self, held: Held) -> None:
        self.step, self._scale = held.step, held.scale
        restore(self._learnable.tensors, held.tensors)
        self._memory.restore(held.moments)
        self._averages.restore(held.averages)
        self.torn = False

    def _finite_gradients(self, batches: Batches) -> tuple[Sums, float] | None:
        """With the loss; None where it or a gradient is not finite."""
        sums = self._gradients(batches.of_step(self.step))
        loss = sums.loss
        return (sums, loss) if math.isfinite(loss) and all_finite(self._slopes) else None

    def _gradients(self, batches: Iterable[Batch]) -> Sums:
        self._optimizer.zero_grad(set_to_none=True)
        # passes: of this process, and of the others that share the update
        order = Order(self.step, self._scale.value, self.ladder.savings.values())
        sums = self._group.together(order, self._leaves, lambda: self._share.add(batches, order))
        # unscale, before anything depends on it
        unscale(self._leaves, self._scale.value)
        return sums

    def _require_alive(self, sums: Sums) -> None:
        """Raise NoGradientError where what the update can teach for the first time has none."""
        self._share.require_alive(sums.taught - self._alive)
        self._alive |= sums.taught

    @property
    def _slopes(self) -> list[Tensor]:
        return [leaf.grad for leaf in self._leaves if leaf.grad is not None]

    def _movement(self, product: str) -> Movement:
        tensors = self._share.tensors_of(product)
        moving = [name for name in tensors if self._is_trained(name)]
        kind = self._plan.config.optimizer.optimizer_type
        return Movement(moving, [tensors[name] for name in moving], kind)

    def go_down(self) -> Rung | None:
        """After memory ran out: what the step is tried again with; None where nothing is left, or
        an update was half made."""
        return None if self.torn else self.ladder.down()

    def make_room(self) -> None:
        """Let go of what an update that ran out of memory has left."""
        self._optimizer.zero_grad(set_to_none=True)
        free_memory()

    @contextlib.contextmanager
    def results(self) -> Iterator[None]:
        """While it is open, the learnable is what files and previews are made of: the average, or
        what the optimizer makes of it. Training continues from the very same numbers."""
        switch = getattr(self._optimizer, "eval", None)
        if not (switch or self._averages.values):
            yield
            return
        trained = copies(self._learnable.tensors)
        try:
            if switch:
                switch()
            if self._averages.values:
                restore(self._learnable.tensors, self._averages.values)
            self._learnable.settle()
            yield
        finally:
            if switch:
                self._optimizer.train()  # type: ignore[attr-defined]
            restore(self._learnable.tensors, trained)

    @property
    def rate(self) -> float:
        """Learning rate of the next update."""
        return self._plan.config.optimizer.rate(self.step, self.fall) * self.rate_factor

    def _rates(self) -> list[float]:
        """One for all tensors, or one for each where text encoders have their own."""
        options = self._plan.config.optimizer
        if not options.by_encoder:
            return [self.rate]
        encoders = [self._encoder(name) for name in self._names]
        found = [options.encoder_rate(number, self.step, self.fall) for number in encoders]
        return [rate * self.rate_factor for rate in found]

    def _is_trained(self, name: str) -> bool:
        options = self._plan.config.optimizer
        return not options.by_encoder or options.trains_encoder(self._encoder(name))

    def _encoder(self, name: str) -> int:
        """Number of the text encoder that a tensor belongs to."""
        return list(self._plan.facts.widths).index(name.rpartition(MARK)[2])

    def change_rate(self, factor: float) -> None:
        """Multiply the rate of all updates to come, within what is sensible in sum."""
        least, most = SMALLEST_CHANGE / self.rate_factor, LARGEST_CHANGE / self.rate_factor
        factor = min(max(factor, least), most)
        self.rate_factor *= factor
        self.rate_changes.append([self.step, factor])

    def recover(self, good: TrainState, kept: str = "") -> None:
        """Return to a state with half the rate. Raises NotFiniteError after three attempts, which
        tells what was `kept`."""
        if self.recoveries >= _MOST_RECOVERIES:
            attempts = f"{_MOST_RECOVERIES} attempts with lower learning rates"
            raise NotFiniteError(
                f"the loss is not a finite number at step {self.step + 1}",
                "; ".join(filter(None, (f"it stayed so after {attempts}", kept))),
                f"try {setting('mixed_precision')} no, a lower learning rate, other "
                "images or another VAE",
            )
        self.recoveries, self.rate_factor = self.recoveries + 1, self.rate_factor / 2
        self.restore(good)

    def restore(self, state: TrainState) -> None:
        """Be as after `state.step` updates; recoveries are not undone."""
        self.step, self.loss = state.step, state.loss
        restore(self._learnable.tensors, state.tensors)
        self._memory.restore(state.moments)
        self._averages.restore(state.averages)
        self._scale = LossScale(state.loss_scale, state.good_updates)
        for movement in self._movements.values():
            movement.begin()

    def require_moving(self) -> None:
        """Raise NotMovingError for a tensor that many updates have left where it was."""
        for movement in self._movements.values():
            movement.require()

    def state(self) -> TrainState:
        """A copy of everything that `restore` needs, on the CPU."""
        return TrainState(
            step=self.step,
            loss=self.loss,
            tensors=snapshot(self._learnable.tensors),
            moments=self._memory.save(),
            averages=snapshot(self._averages.values),
            optimizer=self._plan.config.optimizer.optimizer_type,
            loss_scale=self._scale.value,
            good_updates=self._scale.good_updates,
            rate_factor=self.rate_factor,
            recoveries=self.recoveries,
            rate_changes=list(self.rate_changes),
            savings=self.ladder.savings.values(),
        )


def _ladder(plan: Plan, session: Session) -> Ladder:
    """Of a hypernetwork batches stay whole: what it drops at random is drawn for a whole one."""
    options = plan.config
    batch = options.optimizer.train_batch_size if options.vectors else 1
    saved = Savings.read(plan.state.savings) if plan.state else Savings()
    return Ladder(session, batch, options.compute.gradient_checkpointing, saved)
