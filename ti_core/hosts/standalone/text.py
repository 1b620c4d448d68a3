"""Prompts → conditioning, differentiable in the vectors of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...errors import HostError
from ...port.prompt import Chunk, pack, read_prompt
from ...port.session import TextOptions, Vectors
from ..common.slots import chunk_ids, emphasise, vectors_inserted
from .models import Model, TextEncoder


def encode_text(
    model: Model,
    prompts: Sequence[str],
    embeddings: Mapping[str, Vectors],
    options: TextOptions,
) -> tuple[Tensor, Tensor | None]:
    """Context (P, 77 × chunks, width) and the pooled text (P, width) if an encoder gives one."""
    if not prompts:
        raise HostError("there is no prompt to encode")
    plans = [_plan(encoder, prompts, embeddings, options) for encoder in model.encoders]
    chunks = max(len(plan) for plans_of_one in plans for plan in plans_of_one)
    contexts, pooled = [], None
    for encoder, plan in zip(model.encoders, plans, strict=True):
        padded = [chunk for one in plan for chunk in (*one, *((),) * (chunks - len(one)))]
        layer = encoder.layer + _skipped(model, encoder, options.clip_skip)
        states, last = _run(encoder, padded, embeddings, layer)
        contexts.append(emphasise(states, padded).reshape(len(prompts), -1, states.shape[-1]))
        if encoder.projection is not None:
            pooled = _pool(encoder, last[::chunks], padded[::chunks])
    return torch.cat(contexts, dim=-1).float(), None if pooled is None else pooled.float()


def _plan(
    encoder: TextEncoder,
    prompts: Sequence[str],
    embeddings: Mapping[str, Vectors],
    options: TextOptions,
) -> list[list[Chunk]]:
    """The chunks of every prompt."""
    lengths = {name: vectors[encoder.key].shape[0] for name, vectors in embeddings.items()}
    tokenize, capacity = encoder.vocabulary.tokenize, encoder.positions - 2
    pieces = (read_prompt(prompt, embeddings, options.emphasis) for prompt in prompts)
    return [pack(piece, tokenize, lengths, capacity) for piece in pieces]


def _skipped(model: Model, encoder: TextEncoder, clip_skip: int) -> int:
    """Layers to leave out beyond the family's custom; only where the family listens."""
    layers = encoder.core.get_submodule("encoder.layers")
    assert isinstance(layers, nn.ModuleList)
    if not 1 <= clip_skip <= len(layers):
        why = f"the text encoder has {len(layers)} layers"
        raise HostError(f"clip skip {clip_skip} is not possible", why)
    return clip_skip - 1 if model.family.clip_skip else 0


def _run(
    encoder: TextEncoder,
    chunks: Sequence[Chunk],
    embeddings: Mapping[str, Vectors],
    layer: int,
) -> tuple[Tensor, Tensor]:
    """The states (N, 77, width) of the chosen layer, and of the last one after the final norm."""
    device = encoder.token_embedding.weight.device
    ids = torch.tensor([_ids(encoder, chunk) for chunk in chunks], device=device)
    core = encoder.core
    layers = core.get_submodule("encoder.layers")
    with (
        vectors_inserted(encoder.token_embedding, encoder.key, chunks, embeddings),
        _captured(layers.get_submodule(str(len(list(layers.children())) - layer))) as captured,
    ):
        last = encoder.model(input_ids=ids).last_hidden_state
    if layer == 1 and encoder.final_norm:
        return last, last
    states = captured[0]
    return (core.get_submodule("final_layer_norm")(states) if encoder.final_norm else states), last


def _ids(encoder: TextEncoder, chunk: Chunk) -> list[int]:
    words = encoder.vocabulary
    return chunk_ids(chunk, words.start, words.end, words.pad, encoder.positions)


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


def _pool(encoder: TextEncoder, last: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    """Project the state at the end mark of each prompt's first chunk."""
    ends = torch.tensor([1 + len(chunk) for chunk in chunks], device=last.device)
    states = last[torch.arange(len(chunks), device=last.device), ends]
    project: Callable[[Tensor], Tensor] | None = encoder.projection
    assert project is not None
    return project(states)
