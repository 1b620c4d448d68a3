"""A loss that can be compared from step to step: images, noise and timesteps are fixed.

The loss of an update is mostly the luck of its noise and timesteps. Here the same questions are
asked each time, so that a difference is what was learned (the idea of DVAR, Voronov et al. 2023,
arXiv 2302.04841). What is random is a function of the seed: a resumed run asks the same, and
nothing that training draws is changed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from ..data.dataset import Dataset
from ..data.held_out import training_pictures
from ..data.latent_cache.latents import Latents
from ..port.memory import memory_errors
from ..port.session import Session
from ..randomness import generator
from .batches import Batch, Batches, batch_loss
from .config import BaseTrainConfig
from .learnable import ExtraNetworks
from .learning_config import TIMESTEPS
from .plan import Plan
from .remembered_prompts import RememberedPrompts
from .validations import Found

SHARE = 0.05
"""Of the time that a run takes."""
_PASSES = 2
"""Of an update in passes forward: one forward, one backward, for weights have no gradients."""
_MOST = 64
"""Images that a validation looks at; more would take memory, and add little."""


def pictures_of(config: BaseTrainConfig) -> int:
    """How many images (each with a noise of its own) one validation looks at: what its share of
    the time allows, and one at least."""
    every = config.validation.every
    affordable = int(SHARE * _PASSES * every * config.optimizer.update_size)
    batches = config.validation.max_validation_steps
    most = min(_MOST, batches * config.optimizer.train_batch_size) if batches else _MOST
    return max(1, min(most, affordable))


class Validation:
    """Asks the same questions whenever it is called."""

    def __init__(
        self, plan: Plan, latents: Latents, session: Session, questions: int | None = None
    ) -> None:
        """`questions`: how many images are looked at, if not as many as `pictures_of` tells."""
        self._plan, self._latents, self._session = plan, latents, session
        self._prompts = RememberedPrompts(session)
        count = questions or pictures_of(plan.config)
        self._count = max(1, count // 2) if plan.held_out else count
        """Questions about each of the two kinds of images."""

    def found(self, step: int, added: ExtraNetworks) -> Found:
        """The losses of what is added to the model after `step` updates. Raises HostMemoryError."""
        with torch.no_grad(), memory_errors():
            loss = self._loss(self._trained, added)
            held_out = self._loss(self._held_out, added) if self._held_out else None
        return Found(step, loss, held_out)

    @functools.cached_property
    def _trained(self) -> list[Batch]:
        """Made when they are first asked: what is not in memory is encoded for them."""
        return list(_questions(self._plan, self._plan.dataset, self._latents, self._count))

    @functools.cached_property
    def _held_out(self) -> list[Batch]:
        pictures = self._plan.held_out
        if pictures is None:
            return []
        return list(_questions(self._plan, pictures, self._latents, self._count))

    def _loss(self, batches: Sequence[Batch], added: ExtraNetworks) -> float:
        """The mean over all images."""
        total = 0.0
        for batch in batches:
            loss = batch_loss(batch, self._session, added, self._plan, self._prompts)
            total += loss.item() * len(batch.prompts)
        return total / sum(len(batch.prompts) for batch in batches)


def _questions(plan: Plan, dataset: Dataset, latents: Latents, count: int) -> Iterator[Batch]:
    """`count` images in batches of one size, each at a timestep of its own part of the range."""
    batches, pictures = Batches(replace(plan, dataset=dataset), latents), training_pictures(dataset)
    chosen = [pictures[number * len(pictures) // count] for number in range(count)]
    if count > len(pictures):
        chosen = [pictures[number % len(pictures)] for number in range(count)]
    asked = sorted(enumerate(chosen), key=lambda one: dataset.items[one[1]].size.target)
    for _, alike in groupby(asked, key=lambda one: dataset.items[one[1]].size.target):
        places, most = list(alike), plan.config.optimizer.train_batch_size
        for first in range(0, len(places), most):
            yield _question(batches, latents, places[first : first + most], count)


def _question(
    batches: Batches, latents: Latents, places: Sequence[tuple[int, int]], count: int
) -> Batch:
    """`places`: (number of the question, number of the image)."""
    plan = batches.plan
    dataset, name, seed = plan.dataset, plan.config.name, plan.config.compute.seed
    views = [dataset.items[picture] for _, picture in places]
    means = torch.stack([latents[view.key][0] for view in views])
    draws = [generator(seed, "validation noise", number) for number, _ in places]
    noise = torch.stack([torch.randn(means.shape[1:], generator=draw) for draw in draws])
    times = torch.stack([_timestep(plan, number, count) for number, _ in places])
    prompts = [dataset.prompt(picture, name, seed, 0, number) for number, picture in places]
    noisy = plan.facts.diffusion.noised(means, noise, times)
    return batches.batch_of(views, [picture for _, picture in places], noisy, prompts)


def _timestep(plan: Plan, number: int, count: int) -> Tensor:
    """() from part `number` of `count`, which scatters less than any of the whole range. The range
    is the one that the run ends with."""
    options, seed = plan.config.optimizer, plan.config.compute.seed
    luck = torch.rand(
        (), generator=generator(seed, "validation timestep", number), dtype=torch.float64
    )
    low, high = options.timestep_range(options.last_step)
    place = low + (high - low) * (number + luck) / count
    found = plan.facts.diffusion.timesteps_at(place, TIMESTEPS)
    return found.float() if found.is_floating_point() else found
