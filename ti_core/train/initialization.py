"""Where the vectors of a new word start from: an embedding file, or words of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..errors import ConfigError, setting
from ..events import Notice
from ..files.base_model import other_base
from ..files.embedding import LICENCE, NEGATIVE, Embedding, for_encoders
from ..files.notes import recipe
from ..files.reading import read_embedding
from ..port.session import ModelFacts, Session
from .config import MOST_VECTORS, EmbeddingConfig, FillRule

_BEGINNING = ("init_word", "init_rule", "init_from")


@dataclass(frozen=True)
class Start:
    """Vectors to start from, and what to tell about them."""

    rows: dict[str, Tensor]
    """Encoder key → (k, width) fp32 on the CPU."""
    notices: tuple[Notice, ...] = ()


def starting_rows(config: EmbeddingConfig, facts: ModelFacts, session: Session) -> Start:
    """The vectors before training: from a file when one is given, else from words."""
    if config.weights:
        embedding = fitting_file(config, facts)
        rows = for_encoders(embedding, facts.widths, config.weights)
        return Start(rows, tuple(other_base(embedding, facts)))
    return rows_from_text(config, session)


def rows_from_file(config: EmbeddingConfig, facts: ModelFacts) -> dict[str, Tensor]:
    """The vectors of `config.weights`. Raises as `fitting_file`."""
    return for_encoders(fitting_file(config, facts), facts.widths, config.weights)


def fitting_file(config: EmbeddingConfig, facts: ModelFacts) -> Embedding:
    """The embedding in `config.weights`.

    Raises EmbeddingError when they do not fit the model, ConfigError when the file has another
    number of vectors than was asked for.
    """
    embedding = read_embedding(Path(config.weights))
    wanted = config.num_vectors_per_token
    if not config.takes_vectors_of_file and wanted != embedding.count:
        raise ConfigError(
            f"{config.weights} holds {embedding.count} vector(s), not {wanted}",
            "",
            f"set {setting('num_vectors_per_token')} to 1, which takes the number of the file",
        )
    for_encoders(embedding, facts.widths, config.weights)
    return embedding


def as_it_began(config: EmbeddingConfig, embedding: Embedding) -> EmbeddingConfig:
    """The settings of an embedding that training continues: those that its file tells of its
    beginning, its number of vectors, its licence."""
    told, notes = recipe(embedding.metadata), embedding.metadata
    known = told if isinstance(told, dict) else {}
    words: dict[str, Any] = {key: known[key] for key in _BEGINNING if key in known}
    negative = config.metadata_is_negative_embedding or notes.get(NEGATIVE) == "true"
    try:
        return replace(
            config,
            num_vectors_per_token=embedding.count,
            metadata_license=config.metadata_license or notes.get(LICENCE, ""),
            metadata_is_negative_embedding=negative,
            **words,
        )
    except ConfigError:  # a stranger's file may say anything
        return config


def rows_from_text(config: EmbeddingConfig, session: Session) -> Start:
    """The rows of `config.init_word`, fitted to the number of vectors.

    An empty text gives zeros (A1111 since PR #6667).
    """
    found, notices = session.token_embeddings_of(config.init_word), []
    count = config.vectors_for(max(map(len, found.values())))
    padding = session.token_embeddings_of("*")
    for rows in found.values():
        if len(rows) > count:
            notices.append(_dropped(len(rows), count))
            break
    if not config.init_word.strip():
        notices.append(_all_zero())
        return Start({k: torch.zeros(count, r.shape[1]) for k, r in padding.items()}, (*notices,))
    if config.init_from == "encoder":
        found = encoded_rows(config.init_word, found, session)
    filled = {
        key: fill_rows(rows, count, config.init_rule, padding[key][0])
        for key, rows in found.items()
    }
    return Start(filled, tuple(notices))


def encoded_rows(text: str, rows: Mapping[str, Tensor], session: Session) -> dict[str, Tensor]:
    """Vocabulary rows {encoder: (n, width)} → what the encoders make of each token of the text,
    as long as its vocabulary row: Cross Initialization (arXiv 2312.15905), which keeps the length
    of the encoder's output. That is several times a word's, and so drowns the rest of a prompt.
    """
    with torch.no_grad():
        context = session.encode_prompts([text], {}).context[0].float().cpu()
    # (77 for each chunk, sum of widths) → {encoder: (n, width)}, n at most 75: the first chunk's
    parts = context.split([found.shape[1] for found in rows.values()], dim=1)
    first = {key: found[:MOST_VECTORS] for key, found in rows.items()}
    outputs = {key: part[1 : 1 + len(first[key])] for key, part in zip(rows, parts, strict=True)}
    return {
        key: normalize(output, dim=1) * first[key].norm(dim=1, keepdim=True)
        for key, output in outputs.items()
    }


def fill_rows(rows: Tensor, count: int, rule: FillRule, padding: Tensor) -> Tensor:
    """(n, width) rows → (count, width).

    "stretch": row i is rows[i * n // count], so t0 t0 t1 t1 for 2 rows and 4 vectors (A1111);
    "cycle": rows[i % n] (kohya); "pad": the rows, then `padding` (OneTrainer). Surplus rows are
    dropped by every rule, for every encoder.
    """
    n = min(len(rows), count)
    if rule == "pad":
        return torch.cat([rows[:n], padding.expand(count - n, -1)])
    index = [i * n // count if rule == "stretch" else i % n for i in range(count)]
    return rows[:n].index_select(0, torch.tensor(index).to(rows.device))


def _dropped(given: int, kept: int) -> Notice:
    first = "the first" if kept == 1 else f"the first {kept}"
    return Notice(
        "info",
        f"{setting('init_word')} has {given} tokens, and only {first} of them can be used",
        "there is one vector for each token",
        f"raise {setting('num_vectors_per_token')} to use them all; 0 takes as many as there are",
    )


def _all_zero() -> Notice:
    return Notice(
        "warning",
        f"{setting('init_word')} is empty",
        "all vectors start as zeros and equal to each other",
        "give a word that is close to what you teach",
    )
