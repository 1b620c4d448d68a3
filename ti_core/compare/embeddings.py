"""Embeddings as a `Subject`: a word in the prompt, as strong as its longest vector."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..data.config import DataConfig
from ..events import Notice
from ..files.base_model import other_base
from ..files.checksum import file_shorthash
from ..files.embedding import Embedding, for_encoders
from ..files.kept import KEPT
from ..files.reading import read_embedding
from ..port.session import Host, ModelFacts, PreviewRequest, Session, Vectors
from ..tools.strength import strength_of
from ..train.config import TrainConfig
from ..train.learnable import ExtraNetworks
from .adopt import use_embedding
from .subject import Measured, Wording


@dataclass(frozen=True)
class EmbeddingCopy:
    """An embedding as it was after some steps."""

    path: Path
    embedding: Embedding
    vectors: Vectors
    """The same under the keys of the model's encoders, once it is `fitted`."""

    @property
    def label(self) -> str:
        """See `Copy.label`."""
        return self.path.stem

    @property
    def step(self) -> int:
        """See `Copy.step`."""
        return self.embedding.step

    def added(self, name: str, device: torch.device, weight: float = 1.0) -> ExtraNetworks:
        """Its vectors under this name; the weight is in the prompt."""
        return ExtraNetworks({name: self.vectors})

    def credited(
        self, request: PreviewRequest, name: str, weight: float
    ) -> tuple[PreviewRequest, Mapping[str, str]]:
        """The hash of its file beside the word."""
        return request, {name: self._digits}

    @functools.cached_property
    def _digits(self) -> str:
        return file_shorthash(self.path)

    def fitted(self, facts: ModelFacts) -> EmbeddingCopy:
        """See `Copy.fitted`."""
        vectors = for_encoders(self.embedding, facts.widths, self.path.name)
        return replace(self, vectors=vectors)

    def require_fit(self, facts: ModelFacts, session: Session) -> None:
        """It was seen without the model."""

    def notices(self, facts: ModelFacts) -> list[Notice]:
        """See `Copy.notices`."""
        return other_base(self.embedding, facts)

    def strength(self, facts: ModelFacts, session: Session, words: Mapping[str, float]) -> Measured:
        """Length of the longest vector ÷ the usual length of a word."""
        found = strength_of(self.vectors, words)
        return Measured(found.loudest, found.verdict)


class Embeddings:
    """See `Subject`."""

    config, group, folder = TrainConfig, "embedding", "embeddings"
    data, wording = DataConfig(), Wording(by_word=True)

    def holds(self, path: Path) -> bool:
        """Whatever is not of another kind."""
        return True

    def read(self, path: Path) -> EmbeddingCopy:
        """See `Subject.read`."""
        found = read_embedding(path)
        return EmbeddingCopy(path, found, found.vectors)

    def use(
        self,
        path: Path,
        folder: Path,
        name: str,
        replace_present: bool = False,
        keep_replaced: int = KEPT,
    ) -> Path:
        """See `adopt.use_embedding`."""
        return use_embedding(path, folder, name, replace_present, keep_replaced)

    def home(self, host: Host) -> Path:
        """See `Subject.home`."""
        return host.embeddings_dir()

    def announce(self, host: Host, path: Path) -> None:
        """See `Subject.announce`."""
        host.embedding_saved(path)
