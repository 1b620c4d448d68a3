"""Stage 3: a small AutoencoderKL, 96 x 96 pixels to 4 x 12 x 12 latents."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch.nn.functional import l1_loss
from train_data import load_pictures

BATCH, RATE, KL_WEIGHT = 32, 1.5e-3, 3e-4


def new_vae() -> AutoencoderKL:
    """Eight-fold reduction, under a million parameters."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=96,
        mid_block_add_attention=False,
    )


def keep_vae(run: Path, folder: Path) -> None:
    """A trained one as the result of this stage: `folder` is of diffusers."""
    vae = AutoencoderKL.from_pretrained(folder)
    torch.save({"average": vae.float().state_dict()}, run / "vae.pt")


def train_vae(run: Path, steps: int, crop: int = 64) -> AutoencoderKL:
    """Trains on crops, the last third on whole images; resumes from run/vae.pt if it exists."""
    torch.manual_seed(1)
    vae = new_vae()
    vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch knows it
    average = copy.deepcopy(vae)
    optimiser = torch.optim.AdamW(vae.parameters(), RATE, betas=(0.9, 0.99), weight_decay=1e-3)
    first = _resume(run / "vae.pt", vae, average, optimiser)
    pictures, began = load_pictures(run / "data"), time.time()
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100) * (0.01 + 0.99 * _cosine(step / steps))
        whole = step >= steps * 0.7
        pixels = _batch(pictures, step, 96 if whole else crop, BATCH // 2 if whole else BATCH)
        with torch.autocast("cpu", torch.bfloat16, enabled=not whole):
            loss, parts = _loss(vae, pixels, step)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        _follow(average, vae, min(0.998, step / (step + 20)))
        if step % 100 == 0 or step == steps - 1:
            print(f"vae {step} {parts} {time.time() - began:.0f}s", flush=True)
        if step % 500 == 499 or step == steps - 1:
            state = {"step": step + 1, "vae": vae.state_dict(), "average": average.state_dict()}
            torch.save({**state, "optimiser": optimiser.state_dict()}, run / "vae.pt")
    return average.eval()


def _cosine(progress: float) -> float:
    return 0.5 + 0.5 * float(np.cos(np.pi * progress))


def _resume(
    path: Path, vae: torch.nn.Module, average: torch.nn.Module, optimiser: torch.optim.Optimizer
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path)
    vae.load_state_dict(state["vae"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"]


@torch.no_grad()
def _follow(average: torch.nn.Module, model: torch.nn.Module, keep: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - keep)


def _batch(pictures: NDArray[np.uint8], step: int, crop: int, count: int) -> torch.Tensor:
    """Random crops, (count, 3, crop, crop) in [-1, 1]; a function of the step alone."""
    rng = np.random.default_rng([1, step])
    cut = []
    for at in rng.integers(0, len(pictures), count):
        y, x = rng.integers(0, 96 - crop + 1, 2)
        cut.append(pictures[at, y : y + crop, x : x + crop])
    pixels = torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels.contiguous(memory_format=torch.channels_last)


def _loss(vae: AutoencoderKL, pixels: torch.Tensor, step: int) -> tuple[torch.Tensor, str]:
    """Absolute error of pixels and of their gradients, and a little KL."""
    posterior = vae.encode(pixels).latent_dist
    noise = torch.Generator().manual_seed(step)
    got = vae.decode(posterior.sample(noise)).sample.float()
    plain, edges = (got - pixels).abs().mean(), _gradient(got, pixels)
    mean, spread = posterior.mean.float(), posterior.logvar.float()
    kl = 0.5 * (mean**2 + spread.exp() - 1 - spread).mean()
    text = f"l1 {plain:.4f} edges {edges:.4f} kl {kl:.2f}"
    return plain + 0.5 * edges + KL_WEIGHT * kl, text


def _gradient(got: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    error = got - wanted
    return l1_loss(error[..., 1:], error[..., :-1]) + l1_loss(error[..., 1:, :], error[..., :-1, :])


@torch.no_grad()
def encode_all(
    vae: AutoencoderKL, pictures: NDArray[np.uint8]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the unscaled latents, (N, 4, 12, 12) each."""
    means, spreads = [], []
    for at in range(0, len(pictures), 64):
        pixels = (
            torch.from_numpy(np.array(pictures[at : at + 64])).permute(0, 3, 1, 2).float() / 127.5
            - 1
        )
        posterior = vae.encode(pixels.contiguous(memory_format=torch.channels_last)).latent_dist
        means.append(posterior.mean.half())
        spreads.append(posterior.std.half())
    return torch.cat(means), torch.cat(spreads)
