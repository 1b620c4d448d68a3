"""transformers' text encoders, as each family uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..common.clip import ClipEncoder
from ..common.text import EncodedText
from .models import Model, TextModel


def encoders_of(model: Model) -> tuple[ClipEncoder, ...]:
    """The text encoders with their vocabularies, in the order of their family."""
    return tuple(_encoder(encoder, model.family.clip_skip) for encoder in model.encoders)


def _encoder(encoder: TextModel, skips: bool) -> ClipEncoder:
    """`skips`: as `Family.clip_skip`."""
    words = encoder.vocabulary

    def forward(ids: Tensor, clip_skip: int) -> EncodedText:
        layer = encoder.layer + (clip_skip - 1 if skips else 0)
        states, last = _states(encoder, ids, layer)
        return states, None if encoder.projection is None else _pool(encoder, last, ids)

    return ClipEncoder(
        key=encoder.key,
        network=encoder.model,
        embedding=encoder.token_embedding,
        read=words.tokenize,
        spell=lambda number: words.token_strings([number])[0],
        start=words.start,
        end=words.end,
        pad=words.pad,
        layers=len(encoder.layers),
        forward=forward,
        capacity=encoder.positions - 2,
    )


def _states(encoder: TextModel, ids: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """The states (N, 77, width) of the chosen layer, and of the last one that is computed after the
    final norm; layers above the chosen one are computed where a pooled text is made of them."""
    layers = encoder.layers
    used = len(layers) - layer + 1
    computed = used if encoder.projection is None else len(layers)
    with _cut(encoder, computed), _captured(layers[used - 1]) as captured:
        last = encoder.model(input_ids=ids).last_hidden_state
    if used == computed and encoder.final_norm:
        return last, last
    states = captured[0]
    return (
        encoder.core.get_submodule("final_layer_norm")(states) if encoder.final_norm else states
    ), last


@contextmanager
def _cut(encoder: TextModel, count: int) -> Iterator[None]:
    """The encoder has only its first layers while open."""
    stack, layers = encoder.core.get_submodule("encoder"), encoder.layers
    stack.layers = layers[:count]
    try:
        yield
    finally:
        stack.layers = layers


@contextmanager
def _captured(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collects the outputs of a layer while open.

    transformers can return hidden states itself, but newer versions leave hooks behind for it.
    """
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    handle = layer.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


def _pool(encoder: TextModel, last: Tensor, ids: Tensor) -> Tensor:
    """Project the state at the first end mark of each chunk."""
    ends = (ids == encoder.vocabulary.end).int().argmax(dim=1)
    states = last[torch.arange(len(ids), device=last.device), ends]
    project: Callable[[Tensor], Tensor] | None = encoder.projection
    assert project is not None
    return project(states)
