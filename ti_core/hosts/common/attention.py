"""Hypernetworks in the attention of a UNet.

Every program calls the layers alike: `attn1` (self) and `attn2` (cross) hold `to_k` and `to_v`, and
keys are made before values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from ...port.session import Hypernetwork


@contextmanager
def attach_hypernetwork(unet: nn.Module, hypernetwork: Hypernetwork | None) -> Iterator[None]:
    """While open, keys and values of every attention are made from the hypernetwork's outputs.

    Self-attention as well as cross-attention, as in A1111.
    """
    with ExitStack() as stack:
        if hypernetwork is not None:
            for name, attention in unet.named_modules():
                if name.split(".")[-1] in ("attn1", "attn2"):
                    for handle in _hook_attention(attention, hypernetwork):
                        stack.callback(handle.remove)
        yield


def _hook_attention(attention: nn.Module, hypernetwork: Hypernetwork) -> list[Any]:
    """The keys' input runs the hypernetwork once and leaves the values' half for them."""
    waiting: list[Tensor] = []

    def for_keys(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        keys, values = hypernetwork(inputs[0])
        waiting[:] = [values]
        return (keys,)

    def for_values(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (waiting.pop(),)

    to_k, to_v = attention.get_submodule("to_k"), attention.get_submodule("to_v")
    return [to_k.register_forward_pre_hook(for_keys), to_v.register_forward_pre_hook(for_values)]
