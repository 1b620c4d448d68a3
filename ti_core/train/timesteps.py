"""At which timesteps an update looks: all of them alike, or what the settings make of it.

A timestep says how much noise hides the image. With little noise the network copies what it sees,
and the word has nothing to tell; the loss pulls hard there at what only this image has. ZOODiP
(Seo et al. 2025, arXiv 2503.14868) trains embeddings at timesteps from 500 to 900 of 1,000 only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..diffusion import Diffusion
from ..randomness import generator
from .learning_config import TIMESTEPS, OptimizerConfig


def draw_timestep(
    options: OptimizerConfig, diffusion: Diffusion, seed: int, step: int, slot: int
) -> Tensor:
    """() in the network's unit; `slot` is the place in the update's batch.

    "stratified" cuts the range in one part for each image of the update and takes one of each,
    which scatters less than as many from all of it.
    """
    low, high = options.timestep_range(step)
    if options.timestep_sampling == "uniform" and (low, high) == (0, TIMESTEPS):
        return diffusion.draw_timestep(seed, step, slot)
    place = torch.rand((), generator=generator(seed, "timestep", step, slot), dtype=torch.float64)
    if options.timestep_sampling == "stratified":
        parts = options.update_size
        place = (slot % parts + place) / parts
    found = diffusion.timesteps_at(low + (high - low) * place, TIMESTEPS)
    return found.float() if found.is_floating_point() else found
