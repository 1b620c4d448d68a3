"""The learnable: a few fp32 vectors per text encoder, and where they start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError, setting
from ..events import Notice
from ..files.embedding import Embedding, for_encoders, with_metadata
from ..files.reading import read_embedding
from ..port.session import ModelFacts, Session
from .config import EmbeddingConfig, FillRule


class EmbeddingVectors:
    """What is optimised, and nothing else: one (k, width) fp32 leaf tensor per text encoder."""

    def __init__(self, name: str, rows: Mapping[str, Tensor], device: torch.device) -> None:
        self.name = name
        self.rows = {
            key: value.detach().to(device, torch.float32, copy=True).requires_grad_()
            for key, value in rows.items()
        }

    def parameters(self) -> list[Tensor]:
        """The trained tensors, in a fixed order."""
        return [self.rows[key] for key in sorted(self.rows)]

    def embeddings(self) -> dict[str, dict[str, Tensor]]:
        """As `Session.encode_prompts` wants them."""
        return {self.name: self.rows}

    def snapshot(self) -> dict[str, Tensor]:
        """Copies on the CPU."""
        return {key: value.detach().cpu().clone() for key, value in self.rows.items()}

    @torch.no_grad()
    def restore(self, rows: Mapping[str, Tensor]) -> None:
        """Write values back in place."""
        for key, value in self.rows.items():
            value.copy_(rows[key])


@dataclass(frozen=True)
class Start:
    """Vectors to start from, and what to tell about them."""

    rows: dict[str, Tensor]
    """Encoder key → (k, width) fp32 on the CPU."""
    notices: tuple[Notice, ...] = ()


def starting_rows(config: EmbeddingConfig, facts: ModelFacts, session: Session) -> Start:
    """The vectors before training: from a file when one is given, else from words."""
    if config.weights:
        return Start(rows_from_file(config, facts))
    return rows_from_text(config, session)


def rows_from_file(config: EmbeddingConfig, facts: ModelFacts) -> dict[str, Tensor]:
    """The vectors of `config.weights`.

    Raises EmbeddingError when they do not fit the model, ConfigError when the file has another
    number of vectors than was asked for.
    """
    embedding = read_embedding(Path(config.weights))
    wanted = config.num_vectors_per_token
    if wanted not in (1, embedding.count):
        raise ConfigError(
            f"{config.weights} holds {embedding.count} vectors, not {wanted}",
            "",
            f"leave {setting('num_vectors_per_token')} at 1",
        )
    return for_encoders(embedding, facts.widths, config.weights)


def rows_from_text(config: EmbeddingConfig, session: Session) -> Start:
    """Vocabulary rows of `config.init_word`, fitted to the number of vectors.

    An empty text gives zeros (A1111 since PR #6667).
    """
    count, notices = config.num_vectors_per_token, []
    found = session.token_embeddings_of(config.init_word)
    padding = session.token_embeddings_of("*")
    for rows in found.values():
        if len(rows) > count:
            notices.append(_dropped(len(rows), count))
            break
    if not config.init_word.strip():
        notices.append(_all_zero())
        return Start({k: torch.zeros(count, r.shape[1]) for k, r in padding.items()}, (*notices,))
    filled = {
        key: fill_rows(rows, count, config.init_rule, padding[key][0])
        for key, rows in found.items()
    }
    return Start(filled, tuple(notices))


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
    return rows[:n][index]


def norms(rows: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Encoder key → Euclidean length of each vector; a vocabulary row of SD1 has about 0.4."""
    return {key: [round(n, 6) for n in v.detach().norm(dim=1).tolist()] for key, v in rows.items()}


def described(
    name: str,
    rows: Mapping[str, Tensor],
    step: int,
    facts: ModelFacts,
    settings: dict[str, Any],
    config: EmbeddingConfig,
) -> Embedding:
    """Rows as an embedding with the metadata for its file; `settings` are what made it."""
    plain = Embedding(name, {key: value.detach().cpu() for key, value in rows.items()}, step)
    return with_metadata(
        plain,
        facts.architecture,
        facts.checkpoint_name,
        facts.checkpoint_hash,
        settings,
        licence=config.metadata_license,
        negative=config.metadata_is_negative_embedding,
    )


def _dropped(given: int, kept: int) -> Notice:
    return Notice(
        "info",
        f"the initialization text has {given} tokens, of which the first {kept} are used",
        "there is one vector for each",
        "raise the number of vectors to use them all",
    )


def _all_zero() -> Notice:
    return Notice(
        "warning",
        "the initialization text is empty",
        "all vectors start as zeros and equal to each other",
        "give a word that is near to what you teach",
    )
