"""How a program's networks were found, so that they can be given back just so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn


class ModelSnapshot:
    """Freezes networks, and restores them: flags, gradients, precision and place."""

    def __init__(self, networks: Sequence[nn.Module], moves: bool = True) -> None:
        """`moves`: the place is restored, too; off where the program sees to that."""
        parameters = {id(p): p for network in networks for p in network.parameters()}
        self._training = [(m, m.training) for network in networks for m in network.modules()]
        self._gradients = [(p, p.requires_grad, p.grad) for p in parameters.values()]
        self._tensors, self._moves = _tensors(networks), moves
        self._buffers = [(module, dict(module._buffers)) for module, _ in self._training]
        for module, _ in self._training:
            module.training = False  # CompVis' code disables `eval()` and `train()` of some
        for parameter in parameters.values():
            parameter.requires_grad_(False)
            parameter.grad = None

    def widen(self, networks: Sequence[nn.Module]) -> None:
        """To fp32, in which every number of a narrower kind has its place: nothing is lost."""
        for tensor in _tensors(networks):
            if _is_plain(tensor) and tensor.is_floating_point():
                tensor.data = tensor.data.float()

    def restore(self) -> None:
        """Set everything back; every step is tried even if one before it fails."""
        with ExitStack() as stack:
            stack.callback(self._restore_flags)
            for tensor, (dtype, device) in self._tensors.items():
                place = device if self._moves else tensor.device
                if _is_plain(tensor) and (tensor.dtype != dtype or tensor.device != place):
                    stack.callback(_put, tensor, dtype, place)
            if self._moves:
                stack.callback(self._restore_buffers)

    def _restore_flags(self) -> None:
        for module, training in self._training:
            module.training = training
        for parameter, trainable, grad in self._gradients:
            parameter.requires_grad_(trainable)
            parameter.grad = grad

    def _restore_buffers(self) -> None:
        """Those that a program replaced on its way, before they are moved."""
        for module, buffers in self._buffers:
            module._buffers.update(buffers)


def _tensors(networks: Sequence[nn.Module]) -> dict[Tensor, tuple[torch.dtype, torch.device]]:
    """Parameters and buffers → precision and place."""
    found: dict[Tensor, tuple[torch.dtype, torch.device]] = {}
    for network in networks:
        for tensor in (*network.parameters(), *network.buffers()):
            found[tensor] = (tensor.dtype, tensor.device)
    return found


def _is_plain(tensor: Tensor) -> bool:
    """Quantised weights are of classes of their own, and are unpacked for each call."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided


def _put(tensor: Tensor, dtype: torch.dtype, device: torch.device) -> None:
    tensor.data = tensor.data.to(device, dtype)
