"""Gradient checkpointing (Chen et al. 2016): blocks are computed again for the backward pass.

A block keeps its input in place of everything that it makes on the way. It computes the same
numbers from the same input a second time, so that losses and gradients are the same bits; a step
takes about a third more time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .autograd import Inside
from .forwards import replace_forward

BlockKinds = frozenset[str]
"""Names of classes, also of those that a block's class is derived from."""


@contextmanager
def checkpointed(network: nn.Module, kinds: BlockKinds, inside: Inside) -> Iterator[None]:
    """While open, the outermost blocks of these kinds keep only their input.

    The second computing comes when everything is undone, so `inside` belongs to each block, and to
    nothing else of the network.
    """
    with ExitStack() as stack:
        for block in blocks_of(network, kinds):
            stack.callback(_wrap(block, inside))
        yield


def blocks_of(network: nn.Module, kinds: BlockKinds) -> Iterator[nn.Module]:
    """The outermost ones; a block within a block would be computed three times."""
    if kinds.intersection(kind.__name__ for kind in type(network).__mro__):
        yield network
        return
    for child in network.children():
        yield from blocks_of(child, kinds)


def _wrap(block: nn.Module, inside: Inside) -> Callable[[], None]:
    """Returns what undoes it."""
    compute = block.forward

    def forward(*args: Any, **options: Any) -> Any:
        first = [args]

        def run(*again: Any, **options: Any) -> Any:
            with inside(block):
                return compute(*(first.pop() if first else _copied(again)), **options)

        # nothing random is drawn: networks are in eval mode
        kept = _copied(args, leaf=True)
        return checkpoint(run, *kept, use_reentrant=False, preserve_rng_state=False, **options)

    return replace_forward(block, forward)


def _copied(args: tuple[Any, ...], leaf: bool = False) -> tuple[Any, ...]:
    """The input as a copy, since some blocks add to it in place; `leaf`: outside of any graph.

    The first computing takes the input itself: gradients are then added up in the same order, and
    are the same bits, as without checkpointing.
    """
    if not args or not isinstance(args[0], Tensor):
        return args
    copy = args[0].clone()
    if leaf:
        copy = copy.detach().requires_grad_(args[0].requires_grad)
    return (copy, *args[1:])
