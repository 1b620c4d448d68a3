"""Random-weights checkpoints that the real ComfyUI takes for models of Stability's families.

It tells families apart by shapes: `model_channels` 320, the text encoders' widths, SDXL's depths
0, 2 and 10; text encoders and VAE are built by tables of its own. Levels and widths of the UNet are
free. An SD 2 model is one of v-prediction when one certain bias spreads by more than 0.09.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.checkpoints import Layout, original_state

_VAE = ((128, 256, 512, 512), 2)
_SD1 = Layout("sd1", (320,), (1,), 1, 1, *_VAE, (768,), (12,))
LAYOUTS = {
    "sd1": _SD1,
    "sd1-inpaint": replace(_SD1, in_channels=9),
    "sd2": Layout("sd2", (320,) * 4, (1, 1, 1, 0), 1, 2, *_VAE, (1024,), (24,)),
    "sdxl": Layout("sdxl", (320,) * 3, (0, 2, 10), 10, 2, *_VAE, (768, 1280), (12, 32)),
}
"""Megabytes in fp16: 443, 443, 1052, 2005."""
_GUESSED_BY = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


def write(kind: str, folder: Path, seed: int = 0) -> Path:
    """The file of this kind in `folder`, made if it is not there."""
    path = folder / f"{kind}-{seed}.safetensors"
    if not path.exists():
        state = _state(kind, seed)
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return path


def _state(kind: str, seed: int) -> dict[str, Tensor]:
    is_v = kind.endswith("-v")
    state = original_state(LAYOUTS[kind.removesuffix("-v")], seed=seed)
    if kind == "sd2":
        state[_GUESSED_BY] *= 0.1
    if kind.startswith("sdxl") and is_v:
        state |= {"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}
    return state
