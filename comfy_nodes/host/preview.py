"""Preview images by ComfyUI's own samplers, under A1111's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.sample
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher
from PIL import Image
from torch import Tensor, nn

from ...ti_core.families import LatentFormat
from ...ti_core.port.session import Conditioning, PreviewRequest
from .interrupt import heed_interrupt, interrupt_kept

KSAMPLERS = {
    "Euler": ("euler", "normal"),
    "Euler a": ("euler_ancestral", "normal"),
    "Heun": ("heun", "normal"),
    "DPM++ 2M": ("dpmpp_2m", "normal"),
    "DPM++ 2M Karras": ("dpmpp_2m", "karras"),
    "DDIM": ("ddim", "ddim_uniform"),
    "UniPC": ("uni_pc", "normal"),
    "LCM": ("lcm", "sgm_uniform"),
}
"""A1111's name → ComfyUI's sampler and scheduler; the names of the port come first."""

_SHAPES = "latent_shapes"
"""Where ComfyUI 0.33's samplers note them."""


def run_ksampler(
    model: ModelPatcher,
    form: LatentFormat,
    request: PreviewRequest,
    seed: int,
    guided: Conditioning,
) -> Tensor:
    """A latent (1, channels, h, w) as ComfyUI's KSampler makes it.

    `guided` has two rows, the negative prompt's first.
    """
    latent = torch.zeros(1, *form.shape(request.height, request.width))
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(seed))
    sampler, scheduler = KSAMPLERS[request.sampler]
    negative, positive = (_as_socket(guided, row, request) for row in (0, 1))
    with own_random_state(model.load_device), interrupt_kept(), _shapes_kept(model.model):
        return comfy.sample.sample(
            model,
            noise,
            request.steps,
            request.cfg_scale,
            sampler,
            scheduler,
            positive,
            negative,
            latent,
            callback=heed_interrupt,
            disable_pbar=True,
            seed=seed,
        )


def _as_socket(
    guided: Conditioning, row: int, request: PreviewRequest
) -> list[tuple[Tensor, dict[str, object]]]:
    """A CONDITIONING value; sizes are those that CLIPTextEncodeSDXL would tell."""
    text = guided.rows(torch.tensor([row], device=guided.context.device))
    width, height = request.width, request.height
    told = {"width": width, "height": height, "target_width": width, "target_height": height}
    return [(text.context, {"pooled_output": text.pooled, "crop_w": 0, "crop_h": 0, **told})]


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Whatever is drawn or seeded inside does not show outside."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


@contextmanager
def _shapes_kept(network: nn.Module) -> Iterator[None]:
    """Newer samplers leave the shapes of their latents on the network."""
    found = vars(network).get(_SHAPES)
    try:
        yield
    finally:
        if _SHAPES in vars(network):
            setattr(network, _SHAPES, found)


def saved_image(pixels: Tensor) -> Image.Image:
    """(H, W, 3) in [0, 1] → RGB image, cut to whole numbers as ComfyUI saves it."""
    levels = np.clip(pixels.float().nan_to_num().cpu().numpy() * 255.0, 0, 255)
    return Image.fromarray(levels.astype(np.uint8))
