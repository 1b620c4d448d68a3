"""Forge's networks, made fit for gradients: they are loaded in inference mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import backend.attention
import backend.nn.unet
import torch
from torch import Tensor, nn

from ti_core.hosts.common.inference import renew_inference_tensors


@contextmanager
def prepared_for_training(model: Any) -> Iterator[None]:
    """While open, the networks are those of the checkpoint, and autograd can pass them.

    The attention is torch's own: that for processors works in place once it is cut into pieces.
    """
    original = model.forge_objects_original
    for patcher in (original.unet, original.clip.patcher):
        patcher.refresh_loras()
    for network in (original.unet.model, original.clip.cond_stage_model):
        renew_inference_tensors(network)
    renew_inference_tensors(original.vae.first_stage_model)
    before = backend.nn.unet.attention_function
    backend.nn.unet.attention_function = backend.attention.attention_pytorch
    try:
        yield
    finally:
        backend.nn.unet.attention_function = before


@contextmanager
def inputs_kept(network: nn.Module) -> Iterator[None]:
    """While open, normalisations of transformer blocks get copies.

    The blocks add to their input in place, which spoils what a normalisation has saved of it.
    """
    with ExitStack() as stack:
        if torch.is_grad_enabled():
            for module in network.modules():
                if type(module).__name__ == "BasicTransformerBlock":
                    for part in module.children():
                        if isinstance(part, nn.LayerNorm):
                            stack.callback(part.register_forward_pre_hook(_copied).remove)
        yield


def _copied(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (inputs[0].clone(), *inputs[1:])
