"""The gradients of an update, or what is a process's share of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from ..errors import ConfigError, setting
from ..options import to_dict
from ..port.session import Session
from ..randomness import Draws
from .batches import Batch
from .config import BaseTrainConfig
from .gradients import require_alive
from .group import Group, Order, Sums
from .ladder import Savings
from .learnable import Learnable
from .passes import Pass
from .plan import Plan
from .remembered_prompts import RememberedPrompts


class Share:
    """Adds gradients to the tensors of a learnable."""

    def __init__(self, plan: Plan, session: Session, learnable: Learnable, group: Group) -> None:
        self._plan, self._session, self._learnable = plan, session, learnable
        self._group, self._prompts = group, RememberedPrompts(session)
        self._names = sorted(learnable.tensors)
        self.leaves = [learnable.tensors[name] for name in self._names]
        """In the order of their names."""

    def add(self, batches: Iterable[Batch], order: Order) -> Sums:
        """Those of the mean loss of all passes, times the order's scale, as far as they are this
        process's. Raises NoGradientError, HostMemoryError.

        B images of a pass have B prompts, (B, c, h, w) noisy latents and targets.
        """
        options, losses, first = self._plan.config, list[Tensor](), 0
        taught: frozenset[str] = frozenset()
        passes, seed = options.optimizer.gradient_accumulation_steps, options.compute.seed
        at_once = Savings.read(order.savings).pictures
        for number, batch in enumerate(batches):
            rows = self._rows(number, first, len(batch.prompts))
            added = self._learnable.extra_networks(Draws(seed, order.step, number))
            one = Pass(batch, self._session, added, self._plan, self._prompts)
            found, learns = one.backward(passes, order.scale, at_once, rows)
            if batch.teaches and not learns and rows is None:
                self.require_alive(batch.taught)
            losses, taught = [*losses, *found], taught | batch.taught
            first += len(batch.prompts)
        return Sums(tuple(losses), taught)

    def _rows(self, number: int, first: int, count: int) -> Tensor | None:
        """Passes of a hypernetwork stay whole: what it drops at random is drawn for whole ones."""
        if self._plan.config.vectors or self._group.size == 1:
            return self._group.rows(number, first, count)
        mine = number % self._group.size == self._group.rank
        return torch.arange(count if mine else 0)

    def require_alive(self, products: frozenset[str]) -> None:
        """Raise NoGradientError unless the tensors behind these have gradients."""
        tensors = self.tensors_of(*products)
        require_alive(list(tensors), list(tensors.values()))

    def tensors_of(self, *products: str) -> dict[str, Tensor]:
        """The trained tensors behind some products, by their names among all."""
        parts = [self._learnable.of(product) for product in products]
        own = {id(leaf) for part in parts for leaf in part.tensors.values()}
        pairs = zip(self._names, self.leaves, strict=True)
        return {name: leaf for name, leaf in pairs if id(leaf) in own}


def identity(plan: Plan) -> str:
    """Equal for runs that train the same: settings, images, model."""
    pictures = [item.key for item in plan.dataset.items]
    told = repr((to_dict(plan.config.undecided), pictures, plan.facts.checkpoint_hash))
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()


def require_shares(config: BaseTrainConfig, processes: int) -> None:
    """Raise ConfigError where a process would never have anything to compute."""
    options = config.optimizer
    name, count = "gradient_accumulation_steps", options.gradient_accumulation_steps
    if config.vectors:
        name, count = "train_batch_size", count * options.train_batch_size
    if count < processes:
        what = f"{processes} processes cannot share an update of {count}"
        why = "each computes some of its images" if config.vectors else "each computes passes"
        fix = f"raise {setting(name)} to {processes} or more, or start fewer processes"
        raise ConfigError(what, why, fix)
