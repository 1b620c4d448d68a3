"""Captions that change from step to step: tags in another order, tags left out, no caption at all.

The rules are kohya's (sd-scripts, `process_caption`), and A1111's two (dataset.py, `create_text`:
"Shuffle tags by ','", "Drop out tags") are among them. Mended: spaces do not move along with a
tag, empty tags vanish, the separator of kept tokens never stays in the prompt, and whatever is
dropped, the trigger stays: a prompt without it teaches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..randomness import generator
from .config import TagConfig as TagConfig
from .templates import fill, names_trigger


@dataclass(frozen=True)
class Tags:
    """A caption in its parts."""

    head: tuple[str, ...]
    """Stay first, in order."""
    free: tuple[str, ...]
    """May move and be left out."""
    tail: tuple[str, ...] = ()
    """Stay last, in order."""

    def __str__(self) -> str:
        return ", ".join((*self.head, *self.free, *self.tail))


def vary_caption(
    caption: str, config: TagConfig, name: str, seed: int, step: int, slot: int
) -> str:
    """A caption as one place of one step's batch sees it, for an embedding called `name`.

    A function of its arguments alone. Prefix and suffix come first, so that they count among the
    tags to keep (as in kohya); a caption that no rule touches stays as it is, spaces and all.
    The result may hold `[name]`. With a template line that names the embedding itself,
    `insert_trigger` would say it twice: leave it off there.
    """
    text = _with_ends(caption, config)
    if _draws(seed, "caption drop-out", step, slot, 1)[0] < config.caption_dropout_rate:
        text = "[name]" if holds_trigger(text, name) else ""
    elif _is_touched(text, config):
        tags = split_tags(text, config)
        tags = _thinned(tags, config.caption_tag_dropout_rate, name, seed, step, slot)
        text = str(_shuffled(tags, seed, step, slot) if config.shuffle_caption else tags)
    return insert_trigger(text, name) if config.insert_trigger else text


def split_tags(caption: str, config: TagConfig) -> Tags:
    """The parts of a caption that stay and that may move."""
    mark = config.keep_tokens_separator
    if mark and mark in caption:
        head, free, *tail = (_tags_of(part, config) for part in caption.split(mark))
        return Tags(head, free, tuple(tag for tags in tail for tag in tags))
    tags = _tags_of(caption, config)
    return Tags(tags[: config.keep_tokens], tags[config.keep_tokens :])


def insert_trigger(caption: str, name: str) -> str:
    """The caption with `[name]` in front, unless it names the embedding already."""
    if holds_trigger(caption, name):
        return caption
    return f"[name], {caption}" if caption.strip() else "[name]"


def holds_trigger(caption: str, name: str) -> bool:
    """Whether a caption names the embedding, by `[name]` or by the name itself."""
    return names_trigger(fill("[filewords]", name, caption), name)


def _with_ends(caption: str, config: TagConfig) -> str:
    """kohya joins them by a space, so a prefix that should be a tag ends with a comma."""
    return " ".join(
        part for part in (config.caption_prefix, caption, config.caption_suffix) if part
    )


def _is_touched(caption: str, config: TagConfig) -> bool:
    mark = config.keep_tokens_separator
    marked = bool(mark) and mark in caption
    return config.shuffle_caption or config.caption_tag_dropout_rate > 0 or marked


def _tags_of(text: str, config: TagConfig) -> tuple[str, ...]:
    stripped = (tag.strip() for tag in text.split(config.caption_separator))
    return tuple(tag for tag in stripped if tag)


def _thinned(tags: Tags, rate: float, name: str, seed: int, step: int, slot: int) -> Tags:
    """Each tag has a draw of its own, in the caption's order: shuffling changes none of them."""
    draws = _draws(seed, "tag drop-out", step, slot, len(tags.free))
    kept = (
        tag
        for tag, draw in zip(tags.free, draws, strict=True)
        if draw >= rate or holds_trigger(tag, name)
    )
    return Tags(tags.head, tuple(kept), tags.tail)


def _shuffled(tags: Tags, seed: int, step: int, slot: int) -> Tags:
    source = generator(seed, "tag order", step, slot)
    order = torch.randperm(len(tags.free), generator=source).tolist()
    return Tags(tags.head, tuple(tags.free[i] for i in order), tags.tail)


def _draws(seed: int, purpose: str, step: int, slot: int, count: int) -> list[float]:
    """Numbers in [0, 1)."""
    drawn: list[float] = torch.rand(count, generator=generator(seed, purpose, step, slot)).tolist()
    return drawn
