"""AUTOMATIC1111's global state, made fit for a training and put back after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch
from modules import devices, extra_networks, lowvram, processing, sd_hijack, sd_unet, shared
from torch import nn

from ..base import set_attribute, set_options

if TYPE_CHECKING:
    from modules.sd_models_types import WebuiSdModel


@contextmanager
def prepare_for_training(model: WebuiSdModel, half: torch.dtype | None) -> Iterator[None]:
    """While open, the networks are those of the checkpoint and compute in `half`, or in fp32.

    Images leave LoRAs in the weights, hypernetworks and seamless tiling behind; --medvram moves
    networks whenever another one is called, which the backward pass does not survive.
    """
    with ExitStack() as stack:
        stack.enter_context(_without_lowvram(model))
        _set(stack, shared, "loaded_hypernetworks", [])
        _set(stack, sd_unet, "current_unet", None)
        stack.enter_context(_without_tiling())
        _without_loras()
        dtype = half or torch.float32
        _set(stack, devices, "dtype_unet", dtype)
        _set(stack, devices, "unet_needs_upcast", False)
        _set(stack, model.model.diffusion_model, "dtype", dtype)
        _without_own_checkpointing(stack, model.model.diffusion_model)
        yield


def _set(stack: ExitStack, thing: object, name: str, value: object) -> None:
    """Versions of the web UI differ in what they have."""
    if hasattr(thing, name):
        stack.enter_context(set_attribute(thing, name, value))


def _without_own_checkpointing(stack: ExitStack, unet: nn.Module) -> None:
    """CompVis' code asks for gradients of all weights of a block, and fails where they are frozen.

    Before 1.10 the web UI leaves it switched on.
    """
    for module in unet.modules():
        for name in ("checkpoint", "use_checkpoint"):
            if getattr(module, name, False) is True:
                stack.enter_context(set_attribute(module, name, False))


@contextmanager
def _without_tiling() -> Iterator[None]:
    hijack = sd_hijack.model_hijack
    before = hijack.circular_enabled
    hijack.apply_circular(False)
    try:
        yield
    finally:
        hijack.apply_circular(before)


def _without_loras() -> None:
    """As the web UI does it for an image whose prompt names none, nor do the settings."""
    with set_options({"sd_lora": "None", "sd_hypernetwork": "None"}):
        extra_networks.activate(processing.StableDiffusionProcessingTxt2Img(), {})
    if shared.loaded_hypernetworks:
        shared.loaded_hypernetworks = []


@contextmanager
def _without_lowvram(model: WebuiSdModel) -> Iterator[None]:
    """While open, no network moves by itself. Training needs UNet and text encoder together."""
    if not getattr(model, "lowvram", False):
        yield
        return
    lowvram.send_everything_to_cpu()
    found = [(module, dict(module._forward_pre_hooks)) for module in model.modules()]
    for module, hooks in found:
        for key, hook in hooks.items():
            if getattr(hook, "__module__", "") == lowvram.__name__:
                del module._forward_pre_hooks[key]
    try:
        yield
    finally:
        for module, hooks in found:
            module._forward_pre_hooks.clear()
            module._forward_pre_hooks.update(hooks)  # in their old order
