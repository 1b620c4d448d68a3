"""Which layers of a model compute with packed weights, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...port.session import Precision
from .forwards import replace_forward
from .machine import main_memory
from .onednn import works
from .packed_weight import PackedWeight

_LAYOUTS, _BYTES = 2, 4
"""For the output and for the gradient, in fp32."""


@dataclass(frozen=True)
class Packing:
    """Where packed weights pay. A function of sizes alone, so that equal runs compute alike."""

    large: int = 1 << 21
    """Numbers in a weight from which on they do."""
    few: int = 256
    """Positions (of all images of a pass) up to which they do in fp32. In bf16, where the weight
    would be cast at each call as well, there is no such limit."""
    part_of_memory: float = 0.5
    """Of the machine's main memory, that the packed weights of a model may take."""

    def of(self, networks: Iterable[nn.Module]) -> PackedModel | None:
        """Layers of these networks, from now on packed; None where it cannot be had or does not
        pay."""
        every: Iterable[Any] = (layer for network in networks for layer in network.modules())
        layers = [layer for layer in every if self._fits(layer)]
        if not layers or not works(torch.float32):
            return None
        numbers = sum(layer.weight.numel() for layer in layers)
        return PackedModel(layers, self.few) if _LAYOUTS * _BYTES * numbers <= self.room else None

    @property
    def room(self) -> int:
        """Bytes that packed weights may take."""
        return int(self.part_of_memory * main_memory())

    def _fits(self, module: Any) -> bool:
        return (
            isinstance(module, (nn.Linear, nn.Conv2d))
            and isinstance(module.weight, nn.Parameter)
            and module.weight.numel() >= self.large
        )


def packing_on(device: torch.device) -> tuple[tuple[Precision, ...], int]:
    """For `Features`: in what weights are packed on a device, and the room for them."""
    dtypes: dict[Precision, torch.dtype] = {"no": torch.float32, "bf16": torch.bfloat16}
    if device.type != "cpu":
        return (), 0
    return tuple(name for name, dtype in dtypes.items() if works(dtype)), Packing().room


class PackedModel:
    """While open, these layers compute with packed weights, each made at its first use."""

    def __init__(self, layers: Sequence[nn.Module], few: int) -> None:
        self._undo = ExitStack()
        self._packed = {layer: PackedWeight(few) for layer in layers}
        for layer, packed in self._packed.items():
            self._undo.callback(_wrap(layer, packed))

    def forget(self, networks: Iterable[nn.Module]) -> None:
        """Drop what was made for layers of these networks; it is made again when it is needed."""
        for layer in (layer for network in networks for layer in network.modules()):
            if layer in self._packed:
                self._packed[layer].forget()

    def close(self) -> None:
        """Every layer as it was found; the packed weights are dropped."""
        self._undo.close()


def _wrap(layer: nn.Module, packed: PackedWeight) -> Callable[[], None]:
    """Returns what undoes it."""
    compute = layer.forward

    def forward(*args: Any, **options: Any) -> Any:
        with packed:
            return compute(*args, **options)

    return replace_forward(layer, forward)
