"""The loaded checkpoint."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import stand_in_words
import torch
from stand_in_networks import SIZE_WIDTH, VAE, CLIPTextModel, OpenCLIP, UNet, randomise
from torch import Tensor, nn

from modules import sd_hijack

WIDTH = 16
model_data = SimpleNamespace(sd_model=None, forge_loading_parameters={"checkpoint_info": "x"})


class LatentDiffusion(nn.Module):
    """CompVis' and Stability's models have these attributes in common."""

    def __init__(self, kind: str, seed: int = 0) -> None:
        super().__init__()
        family = kind.split("-")[0]
        added = WIDTH + 6 * SIZE_WIDTH if family == "sdxl" else None
        context = 2 * WIDTH if family == "sdxl" else WIDTH
        self.model = nn.Module()
        self.model.diffusion_model = UNet(context, 9 if "inpaint" in kind else 4, added)
        self.first_stage_model = VAE()
        clip, big = (make(stand_in_words.COUNT, WIDTH) for make in (CLIPTextModel, OpenCLIP))
        randomise(clip, seed + 1)
        randomise(big, seed + 2)
        if family == "sdxl":
            self.conditioner = nn.Module()
            first = sd_hijack.clip(clip, sd_hijack.CLIPForSDXLWithCustomWords)
            second = sd_hijack.open_clip(big, sd_hijack.OpenCLIP2WithCustomWords)
            self.conditioner.embedders = nn.ModuleList([first, second, nn.Identity()])
        elif family == "sd2":
            kind_of = sd_hijack.OpenCLIPWithCustomWords
            self.cond_stage_model = sd_hijack.open_clip(big, kind_of)
        else:
            self.cond_stage_model = sd_hijack.clip(clip, sd_hijack.CLIPWithCustomWords)
        randomise(self.model, seed)
        randomise(self.first_stage_model, seed + 3)
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        self.register_buffer("alphas_cumprod", torch.cumprod(1 - betas, 0).float())
        self.alphas_cumprod_original = self.alphas_cumprod
        self.parameterization = "v" if kind.endswith("-v") else "eps"
        self.scale_factor = 0.13025 if family == "sdxl" else 0.18215
        self.lowvram = False
        self.sd_checkpoint_info = SimpleNamespace(name_for_extra=kind, sha256="0123456789abcdef")
        self.eval()
        self.first_stage_model.train = _disabled_train  # type: ignore[method-assign, assignment]


def _disabled_train(self: Any, mode: bool = True) -> Any:
    """CompVis' way to keep a network in eval mode; it is given no network."""
    return self


def load_random(kind: str, seed: int = 0) -> LatentDiffusion:
    """Have a checkpoint of random weights in use: sd1, sd1-inpaint, sd2, sd2-v, sdxl."""
    model_data.sd_model = LatentDiffusion(kind, seed)
    return model_data.sd_model


def rescale_zero_terminal_snr_abar(kept: Tensor) -> Tensor:
    """Lin et al. 2024, algorithm 1; the last is nearly zero."""
    root = kept.sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    kept = root**2
    kept[-1] = 4.8973451890853435e-08
    return kept


def encode(prompt: str) -> Any:
    """A prompt as the program reads it for a picture."""
    return sd_hijack.encode(model_data.sd_model.cond_stage_model, prompt)


def forge_model_reload() -> Any:
    """Forge: load the chosen checkpoint, if it is not the one that is loaded."""
    global reloads
    reloads += 1
    return model_data.sd_model, False


reloads = 0
