"""--medvram: one network on the device at a time."""

from __future__ import annotations

from typing import Any

module_in_gpu: Any = None
moves = 0


def send_everything_to_cpu() -> None:
    """Forget what is on the device."""
    global module_in_gpu
    module_in_gpu = None


def setup_for_low_vram(model: Any) -> None:
    """Hooks that would move networks, as the real ones."""

    def send_me_to_gpu(module: Any, _: Any) -> None:
        global moves
        moves += 1

    model.lowvram = True
    model.model.register_forward_pre_hook(send_me_to_gpu)
    model.model.diffusion_model.time_embed.register_forward_pre_hook(send_me_to_gpu)
    model.cond_stage_model.wrapped.transformer.register_forward_pre_hook(send_me_to_gpu)
