"""The ComfyUI that tests import: a stand-in of ours, or a real one.

With `COMFYUI_IN_PROCESS=1` and `COMFYUI_PATH` the real one is taken (tests/real_hosts does so, in a
process of its own, since a process can have only one `comfy`); else the stand-in beside this file.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

STAND_IN = Path(__file__).parent / "stand_in"
NEWER = os.environ.get("COMFYUI_STAND_IN", "0.3.64") == "0.33"
"""Which ComfyUI the stand-in stands in for; see stand_in/comfy/profile.py."""
Kind = Literal["sd1", "sd1-full", "sd1-inpaint", "sd2", "sd2-v", "sdxl", "sdxl-v"]


@dataclass(frozen=True)
class Loaded:
    """What the sockets of a checkpoint loader give."""

    model: Any
    clip: Any
    vae: Any

    def networks(self) -> list[nn.Module]:
        """Every network with weights."""
        return [self.model.model, self.clip.cond_stage_model, self.vae.first_stage_model]


def is_real() -> bool:
    """Whether the tests run on a real ComfyUI."""
    return os.environ.get("COMFYUI_IN_PROCESS") == "1"


@cache
def start() -> None:
    """Make `comfy` importable, on the processor."""
    path = os.environ["COMFYUI_PATH"] if is_real() else str(STAND_IN)
    sys.path.insert(0, path)
    if is_real():
        importlib.import_module("comfy.options")
        importlib.import_module("comfy.cli_args").args.cpu = True


def knows_dynamic_vram() -> bool:
    """Whether it can have models whose weights move: since 2026, and in the newer stand-in."""
    start()
    kind = importlib.import_module("comfy.model_patcher").ModelPatcher
    return (is_real() and hasattr(kind, "is_dynamic")) or NEWER


def moving(loaded: Loaded) -> Loaded:
    """The same values, as DynamicVRAM would have made them: the newer stand-in does so itself; in
    the real program, on a processor, nothing moves, but every question is answered so."""
    if is_real():
        real = importlib.import_module("comfy.model_patcher").ModelPatcher
        told = type("Moving", (real,), {"is_dynamic": lambda self: True})
        for patcher in (loaded.model, loaded.clip.patcher):
            patcher.__class__ = told
    return loaded


def load(kind: Kind, folder: Path, inference: bool = True, seed: int = 0) -> Loaded:
    """A model with random weights, as a loader node gives it: created in inference mode."""
    start()
    sd = importlib.import_module("comfy.sd")
    with torch.inference_mode(inference):
        if not is_real():
            return Loaded(*sd.load_random(kind, seed))
        from tests.comfy.checkpoints import write

        path = write(kind, folder, seed)
        return Loaded(*sd.load_checkpoint_guess_config(str(path))[:3])


def use(loaded: Loaded) -> Loaded:
    """Load every part, in two precisions: what ComfyUI notes down for it is there from then on."""
    manager = importlib.import_module("comfy.model_management")
    half = loaded.model.clone()
    half.set_model_compute_dtype(torch.bfloat16)
    with torch.inference_mode():
        manager.load_models_gpu([half])
        manager.load_models_gpu([loaded.model, loaded.clip.patcher, loaded.vae.patcher])
    return loaded


def with_lora(loaded: Loaded, strength: float = 0.5) -> Loaded:
    """The same model as a LoRA node gives it: patches on some weights of UNet and text encoders."""
    model, clip = loaded.model.clone(), loaded.clip.clone()
    for patcher in (model, clip.patcher):
        state = patcher.model.state_dict()
        keys = [key for key in state if key.endswith((".attn2.to_k.weight", "mlp.fc1.weight"))]
        generator = torch.Generator().manual_seed(7)
        patches = {}
        for key in keys:
            up, down = (torch.randn(n, 2, generator=generator) * 0.1 for n in state[key].shape)
            patches[key] = ("diff", (up @ down.T,))
        assert patcher.add_patches(patches, strength), "no such weights"
    return Loaded(model, clip, loaded.vae)
