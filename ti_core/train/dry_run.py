"""What would be trained on, without training: kohya's `--debug_dataset`, as it was meant."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..data.picture_facts import Look, head_of, read_facts
from ..events import Listener
from ..port.prompt import read_prompt
from ..port.session import EncoderFacts, Host, ModelFacts
from .config import BaseTrainConfig, TrainConfig
from .initialization import rows_from_file
from .words import counted, parts_of, read_pictures, written_out

FEW = 3
"""Prompts that a checkup shows with their tokens."""


@dataclass(frozen=True)
class TrainingPrompt:
    """The prompt of one image, as the text encoder gets it."""

    path: Path
    prompt: str
    token_ids: list[int]
    """Without start and end marks; the vectors have ids from the vocabulary's size up."""
    tokens: list[str]
    """Their spelling."""
    capacity: int
    """Places in one chunk."""
    size: tuple[int, int]
    """Width and height that the image is trained at, in pixels."""
    original: tuple[int, int]
    """Its own."""
    repeats: int
    """How often it comes in an epoch."""
    weight: float
    """What its loss is multiplied by."""
    regular: bool
    """It is a regularization image."""
    mask: tuple[int, int] | None
    """(least, greatest) value of its mask, of 0 to 255; None where it has none."""


def training_prompts(
    config: BaseTrainConfig,
    host: Host,
    tell: Listener = lambda event: None,
    look: Look = read_facts,
) -> Iterator[TrainingPrompt]:
    """One prompt for each image, as at the first steps; `tell` gets a notice for whatever is left
    out. Raises what `make_plan` raises."""
    facts, config = host.describe(), counted(written_out(config), host.tokenize)
    needs_trigger = config.vectors > 0
    dataset = read_pictures(config, facts.resolution, look)
    dataset.require_trainable(config.name, needs_trigger)
    for notice in (*dataset.notices, *dataset.about_skipped()):
        tell(notice)
    counts = {part.name: _vectors(part, facts) for part in parts_of(config)}
    for index, item in enumerate(dataset.items):
        prompt = dataset.prompt(index, config.name, config.compute.seed, 0, index)
        ids, spelled = _tokens(prompt, config, host, facts.encoders[0], counts)
        capacity = facts.encoders[0].tokens_per_chunk
        folder, mask = dataset.source(index).folder, item.seen_mask(facts.latent.stride)
        yield TrainingPrompt(
            item.path,
            prompt,
            ids,
            spelled,
            capacity,
            item.size.target[::-1],
            item.size.original[::-1],
            dataset.repeats[index],
            folder.weight,
            folder.regular,
            None if mask is None else (int(mask.min()), int(mask.max())),
        )


def first_prompts(config: BaseTrainConfig, host: Host) -> list[TrainingPrompt]:
    """Those of the first images, whose heads alone are read. Raises as `training_prompts`."""
    return list(itertools.islice(training_prompts(config, host, look=head_of), FEW))


def _vectors(config: BaseTrainConfig, facts: ModelFacts) -> int:
    """A file to start from may hold more than the settings say."""
    if isinstance(config, TrainConfig) and config.embedding.weights:
        return len(next(iter(rows_from_file(config.embedding, facts).values())))
    return config.vectors


def _tokens(
    prompt: str,
    config: BaseTrainConfig,
    host: Host,
    encoder: EncoderFacts,
    counts: Mapping[str, int],
) -> tuple[list[int], list[str]]:
    found: list[tuple[int, str]] = []
    names = [name for name, count in counts.items() if count]
    for piece in read_prompt(prompt, names, config.text.parse_emphasis):
        if piece.trigger is None:
            found += host.tokenize(piece.text)
        else:
            name = piece.trigger
            found += [(encoder.vocabulary + i, f"<{name}:{i}>") for i in range(counts[name])]
    return [token for token, _ in found], [spelling for _, spelling in found]
