"""Blocks of a network that PyTorch's compiler (`torch.compile`) makes faster, for training steps.

Each block is compiled alone, and once for each size of its input: equal blocks share what was
compiled. What is made without gradients (previews, validation) is computed as ever, since its sizes
are others. PyTorch keeps what it compiled on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch._dynamo import config
from torch._dynamo.exc import TorchDynamoException

from ...errors import HostError, setting
from ..common.checkpointing import BlockKinds, blocks_of
from ..common.forwards import replace_forward

BACKEND = "inductor"
_SIZES = 256
"""Of inputs, for which a kind of block is compiled; PyTorch itself gives up after 8, and SD 1.x has
11 different residual blocks at one size of image."""


class CompiledBlocks:
    """While open, blocks of these kinds compute compiled code, if the last `used` wanted it."""

    def __init__(self, network: nn.Module, kinds: BlockKinds) -> None:
        self._used, self._undo = False, ExitStack()
        limits = config.patch(recompile_limit=_SIZES, accumulated_recompile_limit=16 * _SIZES)
        self._undo.enter_context(limits)
        for block in blocks_of(network, kinds):
            self._undo.callback(replace_forward(block, self._choosing(block.forward)))

    def _choosing(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        fast = torch.compile(plain, backend=BACKEND, dynamic=False)

        def forward(*args: Any, **options: Any) -> Any:
            compiled = self._used and torch.is_grad_enabled()
            return (fast if compiled else plain)(*args, **options)

        return forward

    @contextmanager
    def used(self, wanted: bool = True) -> Iterator[None]:
        """Whether what is computed within is to be compiled; checkpointing computes it again
        later, in the same way. Raises HostError where a block cannot be compiled."""
        self._used = wanted
        try:
            yield
        except TorchDynamoException as error:
            cause = getattr(error, "inner_exception", error)
            raise HostError(
                "the U-Net cannot be compiled",
                next(iter(str(cause).splitlines()), type(cause).__name__),
                "PyTorch's compiler needs Triton for a graphics card and a C++ compiler for a CPU; "
                f"install it, or leave out {setting('torch_compile')}",
            ) from error

    def close(self) -> None:
        """Every block as it was found."""
        self._undo.close()
