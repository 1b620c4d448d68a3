"""Random-weights checkpoints that the real ComfyUI takes for models of Stability's families.

It tells families apart by shapes: `model_channels` 320, the text encoders' widths, SDXL's depths
0, 2 and 10; text encoders and VAE are built by tables of its own. Levels and widths of the UNet are
free; `sd1-full` has those of SD 1.5. An SD 2 model is one of v-prediction when one certain bias
spreads by more than 0.09.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tests.checkpoints import Layout, full, original_state

_VAE = ((128, 256, 512, 512), 2)
_SD1 = Layout("sd1", (320,), (1,), 1, 1, *_VAE, (768,), (12,))
LAYOUTS = {
    "sd1": _SD1,
    "sd1-full": full("sd1"),
    "sd1-inpaint": replace(_SD1, in_channels=9),
    "sd2": Layout("sd2", (320,) * 4, (1, 1, 1, 0), 1, 2, *_VAE, (1024,), (24,)),
    "sdxl": Layout("sdxl", (320,) * 3, (0, 2, 10), 10, 2, *_VAE, (768, 1280), (12, 32)),
}
"""Megabytes in fp16: 443, 2033, 443, 1052, 2259."""
_GUESSED_BY = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


def write(kind: str, folder: Path, seed: int = 0) -> Path:
    """The file of this kind in `folder`, made if it is not there."""
    path = folder / f"{kind}-{seed}.safetensors"
    if not path.exists():
        state = _state(kind, seed)
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return path


def write_lora(model: Path, path: Path, size: float = 0.3) -> None:
    """A LoRA of rank 2 for an SD 1 checkpoint, under kohya's names: cross attention and text."""
    generator, state = torch.Generator().manual_seed(7), {}
    with safe_open(model, "pt") as file:
        for key in file.keys():  # noqa: SIM118  (no dict)
            name = _kohya_name(key)
            if name:
                rows, columns = file.get_slice(key).get_shape()
                for part, shape in (("up", (rows, 2)), ("down", (2, columns))):
                    made = torch.randn(shape, generator=generator) * size
                    state[f"{name}.lora_{part}.weight"] = made
                state[f"{name}.alpha"] = torch.tensor(2.0)
    save_file(state, path)


_LORA_OF = (("model.diffusion_model.", "unet"), ("cond_stage_model.transformer.", "te"))


def _kohya_name(key: str) -> str:
    """What kohya calls the layer of a weight that the LoRA changes; "" for the others."""
    for start, prefix in _LORA_OF:
        if key.startswith(start) and key.endswith(("attn2.to_k.weight", "mlp.fc1.weight")):
            return f"lora_{prefix}_" + key[len(start) : -len(".weight")].replace(".", "_")
    return ""


def _state(kind: str, seed: int) -> dict[str, Tensor]:
    is_v = kind.endswith("-v")
    state = original_state(LAYOUTS[kind.removesuffix("-v")], seed=seed)
    if kind == "sd2":
        state[_GUESSED_BY] *= 0.1
    if kind.startswith("sdxl") and is_v:
        state |= {"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}
    return state
