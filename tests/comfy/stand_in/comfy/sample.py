"""Sampling, which seeds the global generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import comfy.model_management as manager
from comfy.profile import NEWER


def sample(
    model: Any,
    noise: Tensor,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: list[Any],
    negative: list[Any],
    latent_image: Tensor,
    callback: Callable[[int, Tensor, Tensor, int], None] | None = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """Some steps towards a picture (1, 4, h, w); an interrupt is none of its business."""
    torch.manual_seed(seed or 0)
    manager.load_models_gpu([model])
    network = model.model
    if NEWER:
        network.latent_shapes = [noise.shape]
    dtype = network.manual_cast_dtype or network.get_dtype()
    x = noise + 0.01 * torch.randn_like(noise) + 0.001 * len(sampler_name + scheduler)
    for step in range(steps):
        time = torch.tensor([900.0 - 800.0 * step / steps])
        outputs = []
        for context, told in (positive[0], negative[0]):
            beside = network.concat_cond(noise=x, latent_image=latent_image, device=x.device)
            given = x if beside is None else torch.cat([x, beside], dim=1)
            y = None
            if network.adm_channels:
                names = ("height", "width", "crop_h", "crop_w", "target_height", "target_width")
                sizes = torch.tensor([float(told[name]) for name in names])
                y = torch.cat([told["pooled_output"], network.embedder(sizes).reshape(1, -1)], 1)
                y = y.to(dtype)
            options = dict(model.model_options["transformer_options"])
            call = {"context": context.to(dtype), "y": y, "transformer_options": options}
            outputs.append(network.diffusion_model(given.to(dtype), time, **call).float())
        x = x - 0.5 * (outputs[1] + cfg * (outputs[0] - outputs[1])) / steps
        if callback:
            callback(step, x, x, steps)
    return x
