"""ComfyUI's networks, made fit for gradients for a while.

Nodes run in inference mode, and so do the loaders: what is in the way of autograd was built there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import comfy.model_management
import torch
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_BLOCKS = frozenset({"BasicTransformerBlock", "ResBlock", "CLIPLayer"})
"""Classes that are computed anew for the backward pass where weights are temporary."""


@contextmanager
def in_training() -> Iterator[None]:
    """Tell newer ComfyUI to leave out fused kernels that have no backward pass."""
    manager = comfy.model_management
    if not hasattr(manager, "in_training"):
        yield
        return
    before, manager.in_training = manager.in_training, True
    try:
        yield
    finally:
        manager.in_training = before


def rebuild_inference_tensors(network: nn.Module) -> None:
    """Give parameters and buffers new tensor objects over the same memory where autograd needs it.

    "Inference tensors cannot be saved for backward" is raised for tensors created in inference
    mode, and "do not track version counter" for those that were moved out of it since. The
    parameters stay the same Python objects, so whoever holds one (hooks, LoRA backups) notices
    nothing. Quantised tensors are left alone: they are unpacked into fresh ones at each call.
    """
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and _is_plain(tensor) and _is_spoiled(tensor):
                    tensors[name] = _renewed(tensor)


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided


def _is_spoiled(tensor: Tensor) -> bool:
    if tensor.is_inference():
        return True
    try:
        return tensor._version < 0  # the question itself is what raises
    except RuntimeError:
        return True


def _renewed(tensor: Any) -> Any:
    """The same object, or if that cannot be had another one, over the same memory."""
    fresh: Any = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    place = (tensor.storage_offset(), tensor.size(), tensor.stride())
    fresh.set_(tensor.untyped_storage(), *place)
    if isinstance(tensor, nn.Parameter):
        fresh = nn.Parameter(fresh, requires_grad=False)
        fresh.grad = tensor.grad
    swap = getattr(torch.utils, "swap_tensors", None)  # torch 2.3
    if swap is not None:
        try:
            swap(tensor, fresh)
        except RuntimeError:  # somebody holds a weak reference to it, or a graph does
            return fresh
        return tensor
    return fresh


def attention_with_backward() -> dict[str, Any]:
    """Fresh transformer options in which every attention is torch's own.

    Sage and flash attention have no backward pass, and the sub-quadratic one only while memory is
    plentiful. Fresh, since patches for sampling may write in place.
    """

    def override(chosen: Callable[..., Tensor], *args: Any, **options: Any) -> Tensor:
        return attention_pytorch(*args, **options)

    return {"optimized_attention_override": override}


@contextmanager
def inputs_kept(text_encoder: nn.Module) -> Iterator[None]:
    """While open, normalisations of a text encoder get copies.

    Its layers add to their input in place, which spoils what a normalisation has saved of it.
    """
    with ExitStack() as stack:
        if torch.is_grad_enabled():
            for module in text_encoder.modules():
                if isinstance(module, nn.LayerNorm):
                    stack.callback(module.register_forward_pre_hook(_copied).remove)
        yield


def _copied(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (inputs[0].clone(), *inputs[1:])


Inside = Callable[[nn.Module], AbstractContextManager[None]]
"""What must hold while a module computes."""


def learnable(
    network: nn.Module, device: torch.device, dtype: torch.dtype, inside: Inside
) -> AbstractContextManager[None]:
    """While open, the network can be called and learned through, on `device` and in `dtype`."""
    if torch.is_grad_enabled() and _weights_are_temporary(network, device, dtype):
        return _checkpointed(network, inside)
    return inside(network)


def _weights_are_temporary(network: nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether weights are cast or brought to the device for each call."""
    return any(
        p.is_floating_point() and (p.dtype != dtype or p.device.type != device.type)
        for p in network.parameters()
    )


@contextmanager
def _checkpointed(network: nn.Module, inside: Inside) -> Iterator[None]:
    """While open, blocks are computed anew for the backward pass (Chen et al. 2016).

    Autograd would else keep a copy of every weight that is cast or off-loaded.
    """
    with ExitStack() as stack:
        for module in network.modules():
            if _BLOCKS.intersection(kind.__name__ for kind in type(module).__mro__):
                stack.callback(_checkpoint_block(module, inside))
        yield


def _checkpoint_block(block: nn.Module, inside: Inside) -> Callable[[], None]:
    """Returns what undoes it.

    The second computing comes when everything is undone, so `inside` belongs to each.
    """
    found = vars(block).get("forward")
    compute = block.forward

    def forward(x: Tensor, *args: Any, **options: Any) -> Any:
        def run(x: Tensor, *args: Any) -> Any:
            with inside(block):
                return compute(x.clone(), *args, **options)  # a text encoder's adds in place

        return checkpoint(run, x, *args, use_reentrant=False, preserve_rng_state=False)

    def undo() -> None:
        if found is None:
            del block.forward
        else:
            block.forward = found

    block.forward = forward
    return undo
