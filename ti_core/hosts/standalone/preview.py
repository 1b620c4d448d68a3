"""Sampling of preview pictures with diffusers' schedulers under A1111's names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...errors import HostError
from ...port.session import PreviewRequest
from .models import Model

_SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Euler": ("EulerDiscreteScheduler", {"timestep_spacing": "linspace"}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "linspace"}),
    "DDIM": (
        "DDIMScheduler",
        {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1},
    ),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M Karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
}
SAMPLERS = tuple(_SAMPLERS)

_SMALLEST_ALPHA = 2.0**-24
"""With a zero terminal SNR the first sigma would be infinite."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""(1, channels, h, w) and a timestep → the network's output, (1, …) or with guidance (2, …)."""


class Sampling:
    """A checked request, ready to sample any number of pictures."""

    def __init__(self, model: Model, request: PreviewRequest) -> None:
        self._model, self._request = model, request
        factor = model.latent.stride
        if request.sampler not in _SAMPLERS:
            why = f"this host has {', '.join(SAMPLERS)}"
            raise HostError(f"the sampler '{request.sampler}' is unknown", why)
        if request.width % factor or request.height % factor:
            why = f"{request.width}×{request.height} are not multiples of {factor}"
            raise HostError("this preview size is not possible", why)
        if request.steps < 1 or request.width < factor or request.height < factor:
            raise HostError("a preview needs at least one step and a size")
        self._shape = (1, *model.latent.shape(request.height, request.width))

    def run(self, seed: int, device: torch.device, predict: Predict) -> Tensor:
        """A denoised latent (1, channels, h, w); noise comes from a CPU generator of its own."""
        generator = torch.Generator("cpu").manual_seed(seed)
        scheduler = self._scheduler(device)
        noise = torch.randn(self._shape, generator=generator).to(device)
        latent: Tensor = noise * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            output = predict(scheduler.scale_model_input(latent, timestep), timestep)
            guided = self._guide(output)
            latent = scheduler.step(guided, timestep, latent, generator=generator).prev_sample
        return latent

    def _guide(self, output: Tensor) -> Tensor:
        """Classifier-free guidance (Ho & Salimans 2022): away from the negative prompt."""
        if len(output) == 1:
            return output
        negative, positive = output.chunk(2)
        return negative + self._request.cfg_scale * (positive - negative)

    def _scheduler(self, device: torch.device) -> Any:
        """A fresh one for every picture: some keep a history."""
        import diffusers

        name, options = _SAMPLERS[self._request.sampler]
        diffusion = self._model.diffusion
        alphas = torch.tensor(diffusion.alphas_cumprod).double().clamp(min=_SMALLEST_ALPHA)
        ratios = alphas / torch.cat([torch.ones(1, dtype=alphas.dtype), alphas[:-1]])
        with warnings.catch_warnings():  # diffusers gives tensors to numpy in a way it dislikes
            warnings.simplefilter("ignore", DeprecationWarning)
            scheduler = getattr(diffusers, name)(
                num_train_timesteps=len(alphas),
                trained_betas=(1 - ratios).tolist(),
                prediction_type=diffusion.prediction,
                **options,
            )
            scheduler.set_timesteps(self._request.steps, device=device)
        return scheduler


def to_images(pixels: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [-1, 1] → RGB pictures."""
    unit = (pixels.float() / 2 + 0.5).nan_to_num().clamp(0, 1)
    levels = (unit * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(level) for level in levels]
