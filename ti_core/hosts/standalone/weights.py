"""Weights of networks: in the checkpoint's file at rest, converted once where they compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoint.reading import CheckpointFile


@dataclass(frozen=True)
class Storage:
    """Where networks compute, and what their weights are stored in there."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    only_linear: bool = False
    """The rest is fp32, as in autocast."""

    def of(self, module: nn.Module, tensor: Tensor) -> torch.dtype:
        """Of a tensor of this module."""
        if not tensor.is_floating_point():
            return tensor.dtype
        narrow = not self.only_linear or isinstance(module, nn.Linear)
        return self.dtype if narrow else torch.float32


class Weights:
    """Those of networks that are needed together.

    At rest the tensors are the file's own, and take no memory. Copies stand in for them while
    somebody computes: graphs that need a copy keep it.
    """

    def __init__(self, networks: Sequence[nn.Module], files: Sequence[CheckpointFile]) -> None:
        self._networks, self._files = networks, files
        self._at_rest: list[tuple[dict[str, Any], str, Tensor]] = []
        self._storage: Storage | None = None

    def place(self, storage: Storage) -> None:
        """Have copies of them there, made from the file, which nothing is written to.

        Of the file no more than one tensor is in memory beside them. Raises CheckpointError if
        another program has written to the file since it was opened.
        """
        if storage == self._storage:
            return
        self.put_back()
        for file in self._files:
            file.require_unchanged()
        copies: dict[int, Tensor] = {}
        try:
            for module, table, name, tensor in _places(self._networks):
                if id(tensor) not in copies:
                    dtype = storage.of(module, tensor)
                    copies[id(tensor)] = self._copy(tensor, storage.device, dtype)
                self._at_rest.append((table, name, tensor))
                table[name] = copies[id(tensor)]
        except BaseException:
            self.put_back()
            raise
        self._storage = storage

    def put_back(self) -> None:
        """Be at rest: the copies are dropped, and nothing is read."""
        for table, name, tensor in self._at_rest:
            table[name] = tensor
        self._at_rest, self._storage = [], None

    def _copy(self, tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
        copy = tensor.detach().to(device, dtype, copy=True)
        for file in self._files:
            file.forget()
        return nn.Parameter(copy, requires_grad=False) if isinstance(tensor, nn.Parameter) else copy


def _places(
    networks: Sequence[nn.Module],
) -> Iterator[tuple[nn.Module, dict[str, Any], str, Tensor]]:
    """Module, table in it, name and tensor of every parameter and buffer."""
    for module in (module for network in networks for module in network.modules()):
        tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for table in tables:
            for name, tensor in list(table.items()):
                if tensor is not None:
                    yield module, table, name, tensor
