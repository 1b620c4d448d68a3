"""Forge's networks, made fit for gradients: they are loaded in inference mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import backend.attention
import backend.nn.unet

from ti_core.hosts.common.autograd import renew_inference_tensors

from ..base import set_attribute

if TYPE_CHECKING:
    from backend.diffusion_engine.base import ForgeDiffusionEngine


@contextmanager
def without_loras(model: ForgeDiffusionEngine) -> Iterator[None]:
    """While open, the networks are those of the checkpoint, and autograd can pass them."""
    original = model.forge_objects_original
    for patcher in (original.unet, original.clip.patcher):
        patcher.refresh_loras()
    with fit_for_autograd(model):
        yield


@contextmanager
def fit_for_autograd(model: ForgeDiffusionEngine) -> Iterator[None]:
    """While open, autograd can pass the networks that are loaded.

    The attention is torch's own: that for processors works in place once it is cut into pieces.
    """
    original = model.forge_objects_original
    for network in (original.unet.model, original.clip.cond_stage_model):
        renew_inference_tensors(network)
    renew_inference_tensors(original.vae.first_stage_model)
    torch_attention = backend.attention.attention_pytorch
    with set_attribute(backend.nn.unet, "attention_function", torch_attention):
        yield
