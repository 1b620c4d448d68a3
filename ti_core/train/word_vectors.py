"""The learnable of several words: the vectors of each, side by side, and a file for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..errors import TrainingError
from ..events import Notice
from ..files.formats import FORMATS
from ..port.session import Host, ModelFacts, Session
from ..randomness import Draws
from .config import TrainConfig
from .events import Measures
from .learnable import MARK, Content, ExtraNetworks
from .run_folder import CSV_NAME
from .state import TrainState
from .vectors import EmbeddingKind, EmbeddingVectors
from .words import words_of


class WordVectors:
    """What is optimized: the vectors of every word. A prompt may hold any of them; a word that no
    prompt of an update holds has no gradient there, and stays as it is."""

    def __init__(self, words: Mapping[str, EmbeddingVectors]) -> None:
        self._words = words
        self.tensors = {
            f"{word}{MARK}{key}": rows
            for word, vectors in words.items()
            for key, rows in vectors.tensors.items()
        }

    @property
    def size(self) -> str:
        """Vectors of each word."""
        return ", ".join(f"{word}: {vectors.size}" for word, vectors in self._words.items())

    def of(self, name: str) -> EmbeddingVectors:
        """See `Learnable.of`."""
        return self._words[name]

    def extra_networks(self, draws: Draws | None = None, strength: float = 1.0) -> ExtraNetworks:
        """All words with their vectors."""
        added = {word: vectors.tensors for word, vectors in self._words.items()}
        return ExtraNetworks(added)

    def settle(self) -> None:
        """As each word wants it."""
        for vectors in self._words.values():
            vectors.settle()

    def measures(self) -> Measures:
        """Word and encoder → length of each vector."""
        return {
            f"{word}{MARK}{key}": lengths
            for word, vectors in self._words.items()
            for key, lengths in vectors.measures().items()
        }

    @property
    def usual_lengths(self) -> Mapping[str, float]:
        """Under the keys of `measures`."""
        return {
            f"{word}{MARK}{key}": length
            for word, vectors in self._words.items()
            for key, length in vectors.usual_lengths.items()
        }

    def content(
        self,
        name: str,
        step: int,
        facts: ModelFacts,
        settings: Mapping[str, object],
        origin: Mapping[str, str],
    ) -> Content:
        """There is no file of all of them: each is asked by `of`."""
        raise TypeError("several words have a file each")


class WordsKind:
    """Several words as a `LearnableKind`."""

    folder, loss_csv = "embeddings", CSV_NAME

    def __init__(self, config: TrainConfig) -> None:
        self._kinds = {word.name: EmbeddingKind(word) for word in words_of(config)}
        self.suffix = FORMATS[config.output.save_model_as].endings[0]

    def origin(self, facts: ModelFacts) -> None:
        """A run of several words begins at its own step 0."""

    def check(self, facts: ModelFacts, saved: Mapping[str, Tensor] | None) -> None:
        """See `LearnableKind.check`."""
        there = {name.rpartition(MARK)[0] for name in saved or {}}
        if saved is not None and there != set(self._kinds):
            raise TrainingError(
                "the run cannot continue with other words",
                f"it has {', '.join(sorted(there))}, and now there are {', '.join(self._kinds)}",
                "leave the words as they were, or start a new run",
            )
        for word, kind in self._kinds.items():
            kind.check(facts, None if saved is None else _own(saved, word))

    def start(
        self, facts: ModelFacts, session: Session, saved: Mapping[str, Tensor] | None
    ) -> tuple[WordVectors, tuple[Notice, ...]]:
        """See `LearnableKind.start`."""
        words: dict[str, EmbeddingVectors] = {}
        told: list[Notice] = []
        for word, kind in self._kinds.items():
            own = None if saved is None else _own(saved, word)
            words[word], notices = kind.start(facts, session, own)
            told += notices
        return WordVectors(words), tuple(told)

    def beside(self, content: bytes, state: TrainState) -> Mapping[str, bytes]:
        """Nothing: the state in the run folder has it all."""
        return {}

    def announce(self, host: Host, path: Path) -> None:
        """The host may refresh its list of embeddings."""
        host.embedding_saved(path)


def _own(saved: Mapping[str, Tensor], word: str) -> dict[str, Tensor]:
    """The tensors of a word, by text encoder."""
    split = {name.rpartition(MARK): rows for name, rows in saved.items()}
    return {key: rows for (owner, _, key), rows in split.items() if owner == word}
