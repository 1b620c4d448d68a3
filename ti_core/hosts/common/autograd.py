"""Networks that were built only to make images, made fit for autograd.

Tensors made in inference mode: "Inference tensors cannot be saved for backward" is raised for them,
and "do not track version counter" for those moved out of it since. Layers that work in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

Inside = Callable[[nn.Module], AbstractContextManager[None]]
"""What must hold while a module computes."""


def as_it_is(network: nn.Module) -> AbstractContextManager[None]:
    """Nothing must hold while a network computes."""
    return nullcontext()


def renew_inference_tensors(network: nn.Module, freeze: bool = False) -> None:
    """Give parameters and buffers new tensors over the same memory where autograd needs it.

    They stay the same Python objects where that can be had, and tied ones stay tied. `freeze`: the
    new parameters want no gradient. Quantised tensors are left alone: they are unpacked into fresh
    ones at each call.
    """
    replaced: dict[int, tuple[Tensor, Tensor]] = {}
    for module in network.modules():
        kinds: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for tensors in kinds:
            for name, tensor in tensors.items():
                if tensor is not None and id(tensor) in replaced:
                    tensors[name] = replaced[id(tensor)][1]
                elif tensor is not None and _is_plain(tensor) and _is_spoiled(tensor):
                    fresh = _renewed(tensor, freeze)
                    replaced[id(tensor)] = tensor, fresh
                    tensors[name] = fresh


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided


def _is_spoiled(tensor: Tensor) -> bool:
    if tensor.is_inference():
        return True
    try:
        return tensor._version < 0  # the question itself is what raises
    except RuntimeError:
        return True


def _renewed(tensor: Any, freeze: bool) -> Any:
    """The same object, or if that cannot be had another one, over the same memory."""
    fresh: Any = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    place = (tensor.storage_offset(), tensor.size(), tensor.stride())
    fresh.set_(tensor.untyped_storage(), *place)
    trainable, grad = tensor.requires_grad and not freeze, tensor.grad
    tensor.data = fresh
    if not _is_spoiled(tensor):  # it was made outside of inference mode, and only moved in it
        return tensor.requires_grad_(trainable)
    if isinstance(tensor, nn.Parameter):
        fresh = nn.Parameter(fresh, requires_grad=trainable)
        fresh.grad = grad
    swap = getattr(torch.utils, "swap_tensors", None)  # torch 2.3
    if swap is not None:
        try:
            swap(tensor, fresh)
        except RuntimeError:  # somebody holds a weak reference to it, or a graph does
            return fresh
        return tensor
    return fresh


@contextmanager
def keep_inputs(network: nn.Module) -> Iterator[None]:
    """While open, layer normalisations get copies.

    Blocks that add to their input in place spoil what a normalisation has saved of it.
    """
    with ExitStack() as stack:
        if torch.is_grad_enabled():
            for module in network.modules():
                if isinstance(module, nn.LayerNorm):
                    stack.callback(module.register_forward_pre_hook(_copied).remove)
        yield


def _copied(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (inputs[0].clone(), *inputs[1:])
