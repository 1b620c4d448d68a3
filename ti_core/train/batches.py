"""What one pass over the model sees, and its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ..data.latent_cache.latents import Latents, Progress, latents_of
from ..data.order import batch_items
from ..events import Notice
from ..hosts.port import Conditioning, PictureSize, Session, TextOptions
from .noise import NoisyBatch, diffuse, draw_latent, draw_timestep, noise_like
from .plan import Plan
from .vectors import EmbeddingVectors


@dataclass(frozen=True)
class Batch:
    """Pictures and their prompts, for one pass."""

    noisy: NoisyBatch
    prompts: list[str]
    sizes: list[PictureSize]


def encode_pictures(
    plan: Plan,
    session: Session,
    progress: Progress = lambda done, total: True,
    tell: Callable[[Notice], None] = lambda notice: None,
) -> Latents:
    """The latents of every picture as it may be seen in training; see `latents_of`."""
    return latents_of(plan.dataset.views(), session, plan.config.cache, progress, tell)


class Batches:
    """The passes of any update, as a function of its number."""

    def __init__(self, plan: Plan, latents: Latents) -> None:
        self.plan, self.latents = plan, latents
        self.alphas_cumprod = torch.tensor(plan.facts.alphas_cumprod, dtype=torch.float64).float()

    def of_step(self, step: int) -> Iterator[Batch]:
        """`gradient_accumulation_steps` batches for the update after `step` finished ones."""
        options = self.plan.config.optimizer
        items = batch_items(len(self.plan.dataset.items), options.seed, step, self._per_step)
        places = list(enumerate(items))
        for first in range(0, len(places), options.train_batch_size):
            yield self._batch(step, places[first : first + options.train_batch_size])

    @property
    def _per_step(self) -> int:
        return self.plan.config.per_step

    def _batch(self, step: int, places: list[tuple[int, int]]) -> Batch:
        config, dataset = self.plan.config, self.plan.dataset
        seed, method = config.optimizer.seed, config.data.latent_sampling_method
        count = len(self.alphas_cumprod)
        latents = torch.stack(
            [
                draw_latent(self.latents[dataset.items[i].key], i, method, seed, step, slot)
                for slot, i in places
            ]
        )
        noise = torch.stack([noise_like(latents[0], seed, step, slot) for slot, _ in places])
        timesteps = torch.tensor([draw_timestep(count, seed, step, slot) for slot, _ in places])
        return Batch(
            diffuse(latents, noise, timesteps, self.alphas_cumprod, self.plan.facts.prediction),
            [dataset.prompt(item, config.name, seed, step, slot) for slot, item in places],
            [dataset.items[item].size for _, item in places],
        )


def batch_loss(batch: Batch, session: Session, vectors: EmbeddingVectors, plan: Plan) -> Tensor:
    """Mean squared error of the network's output, a scalar with a graph back to the vectors."""
    options = plan.config.optimizer
    text = TextOptions(options.parse_emphasis, options.clip_skip)
    conditioning = _conditioning(batch, session, vectors, text, plan.facts.family == "sdxl")
    output = session.predict(batch.noisy.noisy, batch.noisy.timesteps, conditioning)
    return mse_loss(output.float(), batch.noisy.target.to(output.device))


def _conditioning(
    batch: Batch, session: Session, vectors: EmbeddingVectors, text: TextOptions, sized: bool
) -> Conditioning:
    """Each distinct prompt goes through the text encoder once."""
    keys = [
        (prompt, size if sized else None)
        for prompt, size in zip(batch.prompts, batch.sizes, strict=True)
    ]
    distinct = list(dict.fromkeys(keys))
    prompts = [prompt for prompt, _ in distinct]
    sizes = [size for _, size in distinct if size is not None] or None
    encoded = session.encode_prompts(prompts, vectors.embeddings(), sizes, text)
    index = torch.tensor([distinct.index(key) for key in keys], device=encoded.context.device)
    return encoded.rows(index)
