"""What one pass over the model sees, and its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ..data.augment import coloured, draws_colour
from ..data.item import Item
from ..data.latent_cache.latents import Latents, OnProgress, latents_of
from ..data.masks import weights_of
from ..data.templates import names_trigger
from ..diffusion import NoisyBatch
from ..events import Notice
from ..port.session import Conditioning, PictureSize, Session, TextOptions
from ..port.transfer import sent
from .learnable import ExtraNetworks
from .min_snr import min_snr_weights
from .noise import draw_latent, noise_like
from .plan import Plan
from .remembered_prompts import RememberedPrompts
from .timesteps import draw_timestep


@dataclass(frozen=True)
class Batch:
    """Images and their prompts, for one pass."""

    noisy: NoisyBatch
    prompts: list[str]
    sizes: list[PictureSize]
    weights: Tensor | None = None
    """What the loss is multiplied by, (B, 1, h, w) or (B, 1, 1, 1) fp32; None is 1 everywhere."""
    taught: frozenset[str] = frozenset()
    """The files' names that a gradient can come of it for: those of words that some prompt has;
    what needs no word always."""

    @property
    def teaches(self) -> bool:
        """A gradient can come of it."""
        return bool(self.taught)

    def rows(self, index: Tensor) -> Batch:
        """Some of the images, by their (N,) places."""
        noisy, places = self.noisy, index.tolist()
        return replace(
            self,
            noisy=NoisyBatch(noisy.noisy[index], noisy.timesteps[index], noisy.target[index]),
            prompts=[self.prompts[place] for place in places],
            sizes=[self.sizes[place] for place in places],
            weights=None if self.weights is None else self.weights[index],
        )


def encode_pictures(
    plan: Plan,
    session: Session,
    progress: OnProgress = lambda done, total: True,
    tell: Callable[[Notice], None] = lambda notice: None,
) -> Latents:
    """The latents of every image as it may be seen in training, and of those that are held out;
    see `latents_of`."""
    seen = [*plan.dataset.views(), *(plan.held_out.items if plan.held_out else ())]
    return latents_of(seen, session, plan.config.cache, progress, tell)


class Batches:
    """The passes of any update, as a function of its number."""

    def __init__(self, plan: Plan, latents: Latents, session: Session | None = None) -> None:
        """`session` encodes images whose colours change; without it there may be none."""
        self.plan, self.latents, self.session = plan, latents, session
        self._masks: dict[tuple[str, Path], Tensor | None] = {}

    def of_step(self, step: int) -> Iterator[Batch]:
        """`gradient_accumulation_steps` batches for the update after `step` finished ones."""
        slot = 0
        for pictures in self.plan.order.of_step(step):
            yield self._batch(step, list(enumerate(pictures, slot)))
            slot += len(pictures)

    def _batch(self, step: int, places: list[tuple[int, int]]) -> Batch:
        config, dataset = self.plan.config, self.plan.dataset
        seed, diffusion = config.compute.seed, self.plan.facts.diffusion
        views = [dataset.view(index, seed, step, slot) for slot, index in places]
        latents = torch.stack(
            [self._latent(v, i, step, slot) for v, (slot, i) in zip(views, places, strict=True)]
        )
        offset = config.optimizer.noise_offset
        noise = torch.stack([noise_like(latents[0], seed, step, s, offset) for s, _ in places])
        options = config.optimizer
        timesteps = torch.stack(
            [draw_timestep(options, diffusion, seed, step, slot) for slot, _ in places]
        )
        prompts = [dataset.prompt(item, config.name, seed, step, slot) for slot, item in places]
        noisy = diffusion.noised(latents, noise, timesteps)
        return self.batch_of(views, [index for _, index in places], noisy, prompts)

    def batch_of(
        self, views: list[Item], pictures: list[int], noisy: NoisyBatch, prompts: list[str]
    ) -> Batch:
        """A pass over images (their numbers, and how they are seen) that have got their noise."""
        return Batch(
            noisy,
            prompts,
            [view.size for view in views],
            self._weights(views, pictures, noisy.timesteps),
            self._taught(prompts),
        )

    def _taught(self, prompts: list[str]) -> frozenset[str]:
        names = self.plan.names
        if not self.plan.config.vectors:
            return frozenset(names)
        return frozenset(n for n in names if any(names_trigger(prompt, n) for prompt in prompts))

    def _latent(self, view: Item, index: int, step: int, slot: int) -> Tensor:
        """(channels, h, w)"""
        seed, method = self.plan.config.compute.seed, self.plan.config.data.latent_sampling_method
        return draw_latent(
            self._posterior(view, index, step, slot), index, method, seed, step, slot
        )

    def _posterior(self, view: Item, index: int, step: int, slot: int) -> Tensor:
        """(2, channels, h, w): that of the image, in other colours where it is its turn."""
        change = None
        if self.plan.dataset.source(index).folder.config.color_aug:
            change = draws_colour(self.plan.config.compute.seed, step, slot)
        if change is None or self.session is None:
            return self.latents[view.key]
        found = self.session.encode_images(coloured(view.pixels(), *change)[None])
        return torch.stack((found.mean[0].cpu(), found.std[0].cpu()))

    def _weights(self, views: list[Item], pictures: list[int], times: Tensor) -> Tensor | None:
        """(B, 1, h, w) where there are masks, else (B, 1, 1, 1); None where all is 1."""
        factors = self._factors(pictures, times)
        masks = [self._mask(view) for view in views]
        if all(mask is None for mask in masks):
            whole = factors.view(-1, 1, 1, 1)
            return None if (whole == 1).all() else whole
        ones = torch.ones_like(
            next(mask for mask in masks if mask is not None), dtype=torch.float32
        )
        scales = [self.plan.dataset.source(i).folder.config.mask_scale for i in pictures]
        weights = [
            ones if mask is None else weights_of(mask, scale)
            for mask, scale in zip(masks, scales, strict=True)
        ]
        return torch.stack(weights)[:, None] * factors.view(-1, 1, 1, 1)

    def _factors(self, pictures: list[int], times: Tensor) -> Tensor:
        """(B,) what counts for a whole image: its folder's weight, and that of its timestep."""
        folders = torch.tensor([self.plan.dataset.source(i).folder.weight for i in pictures])
        gamma = self.plan.config.optimizer.min_snr_gamma
        if not gamma:
            return folders
        return folders * min_snr_weights(self.plan.facts.diffusion, times, gamma)

    def _mask(self, view: Item) -> Tensor | None:
        """Read once, and kept: some kilobytes each."""
        if view.mask is None:
            return None
        key = view.key, view.mask
        if key not in self._masks:
            self._masks[key] = view.seen_mask(self.plan.facts.latent.stride)
        return self._masks[key]


def batch_loss(
    batch: Batch,
    session: Session,
    added: ExtraNetworks,
    plan: Plan,
    remembered: RememberedPrompts | None = None,
) -> Tensor:
    """Mean squared error of the network's output, a scalar with a graph back to what is added."""
    encoded = encoded_prompts(batch, session, added, plan, remembered)
    return prediction_loss(batch, encoded, session, added)


def encoded_prompts(
    batch: Batch,
    session: Session,
    added: ExtraNetworks,
    plan: Plan,
    remembered: RememberedPrompts | None = None,
) -> Conditioning:
    """Those of a batch. Ones that no trained word changes are encoded once, if there is something
    to remember them."""
    text = TextOptions(plan.config.text.parse_emphasis, plan.config.text.clip_skip)
    if remembered and not added.embeddings:
        return remembered.encode(batch.prompts, batch.sizes, text)
    return session.encode_prompts(batch.prompts, added.embeddings, batch.sizes, text)


def prediction_loss(
    batch: Batch, encoded: Conditioning, session: Session, added: ExtraNetworks
) -> Tensor:
    """See `batch_loss`."""
    noisy, times, target = batch.noisy.noisy, batch.noisy.timesteps, batch.noisy.target
    output = session.predict(noisy, times, encoded, added.hypernetwork).float()
    if batch.weights is None:
        return mse_loss(output, sent(target, output.device))
    loss = mse_loss(output, sent(target, output.device), reduction="none")
    return (loss * sent(batch.weights, output.device)).mean()
