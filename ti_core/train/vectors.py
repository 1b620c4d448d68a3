"""The learnable of textual inversion: a few fp32 vectors for each text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from ..errors import TrainingError, setting
from ..events import Notice
from ..files.base_model import other_base
from ..files.checksum import file_sha256
from ..files.embedding import Embedding, for_encoders, with_metadata
from ..files.formats import FORMATS
from ..files.writing import embedding_bytes
from ..port.session import Host, ModelFacts, Session
from ..randomness import Draws
from ..tools.vocabulary import median_lengths
from .a1111_memory import memory_beside
from .config import EmbeddingConfig, OutputConfig, TrainConfig
from .events import Measures
from .going_on import Origin
from .initialization import Start, as_it_began, fitting_file, rows_from_file, starting_rows
from .learnable import DTYPES, Content, ExtraNetworks
from .lengths import LengthRule, length_rule
from .run_folder import CSV_NAME
from .state import TrainState


class EmbeddingVectors:
    """What is optimized, and nothing else: one (k, width) fp32 leaf tensor per text encoder."""

    def __init__(
        self,
        config: EmbeddingConfig,
        rows: Mapping[str, Tensor],
        device: torch.device,
        output: OutputConfig | None = None,
        lengths: LengthRule | None = None,
        usual_lengths: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """`usual_lengths`: see `Learnable.usual_lengths`."""
        self.config, self.output = config, output or OutputConfig()
        self._lengths = lengths or LengthRule("free", {})
        self.usual_lengths = usual_lengths
        self.tensors = {
            key: value.detach().to(device, torch.float32, copy=True).requires_grad_()
            for key, value in rows.items()
        }

    @property
    def size(self) -> str:
        """Their number."""
        return f"{len(next(iter(self.tensors.values())))} vector(s)"

    def of(self, name: str) -> EmbeddingVectors:
        """Itself: there is one file."""
        return self

    def extra_networks(self, draws: Draws | None = None, strength: float = 1.0) -> ExtraNetworks:
        """The word with its vectors; nothing is random."""
        return ExtraNetworks({self.config.token_string: self.tensors})

    def settle(self) -> None:
        """Lengths are kept to what the settings want."""
        self._lengths.apply(self.tensors)

    def measures(self) -> Measures:
        """See `norms`."""
        return norms(self.tensors)

    def content(
        self,
        name: str,
        step: int,
        facts: ModelFacts,
        settings: Mapping[str, object],
        origin: Mapping[str, str],
    ) -> Content:
        """An embedding file; the embedding is called as the file is."""
        dtype, wanted = DTYPES[self.output.save_precision], self.output.save_model_as
        stored = {key: rows.to(dtype) for key, rows in self.tensors.items()}
        embedding = to_embedding(name, stored, step, facts, settings, self.config, origin)
        return Content(embedding_bytes(embedding, wanted, FORMATS[wanted].endings[0]), embedding)


class EmbeddingKind:
    """Embeddings as a `LearnableKind`."""

    folder, loss_csv = "embeddings", CSV_NAME

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.output, self._all = config.embedding, config.output, config
        self.suffix = FORMATS[config.output.save_model_as].endings[0]

    def origin(self, facts: ModelFacts) -> Origin | None:
        """See `LearnableKind.origin`."""
        if not self.config.weights:
            return None
        path, embedding = Path(self.config.weights), fitting_file(self.config, facts)
        rows = for_encoders(embedding, facts.widths, self.config.weights)
        config = replace(self._all, embedding=as_it_began(self.config, embedding))
        notices, memory = other_base(embedding, facts), memory_beside(path, embedding, rows)
        digest = file_sha256(path)
        return Origin(path, digest, embedding.step, rows, config, tuple(notices), memory)

    def check(self, facts: ModelFacts, saved: Mapping[str, Tensor] | None) -> None:
        """See `LearnableKind.check`; the file of a resumed run's first vectors may be gone."""
        self._require_writable(facts)
        if saved is not None:
            self._require_same(saved, facts)
        elif self.config.weights:
            rows_from_file(self.config, facts)

    def _require_writable(self, facts: ModelFacts) -> None:
        """Told before the training, not at its first copy."""
        rows = {key: torch.zeros(1, width) for key, width in facts.widths.items()}
        word = Embedding(self.config.token_string, rows)
        embedding_bytes(word, self.output.save_model_as, self.suffix)

    def _require_same(self, saved: Mapping[str, Tensor], facts: ModelFacts) -> None:
        widths = {key: rows.shape[-1] for key, rows in saved.items() if rows.ndim == 2}
        if widths != facts.widths:
            raise TrainingError(
                "the run cannot continue with this model",
                f"its vectors are {widths} wide, the model expects {facts.widths}",
                "give the model that the run was started with",
            )
        wanted, counts = self.config.num_vectors_per_token, {len(rows) for rows in saved.values()}
        count = min(counts)
        of_file = self.config.weights and self.config.takes_vectors_of_file
        if len(counts) > 1 or (wanted != count and not of_file):
            raise TrainingError(
                "the run cannot continue with another number of vectors",
                f"it has {count}, and {setting('num_vectors_per_token')} is {wanted}",
                "leave that setting as it was, or start a new run",
            )

    def start(
        self, facts: ModelFacts, session: Session, saved: Mapping[str, Tensor] | None
    ) -> tuple[EmbeddingVectors, tuple[Notice, ...]]:
        """See `LearnableKind.start`."""
        begin = Start(dict(saved)) if saved else starting_rows(self.config, facts, session)
        lengths = length_rule(self.config.vector_length, facts, session)
        usual = median_lengths(facts, session)
        vectors = EmbeddingVectors(
            self.config, begin.rows, session.device, self.output, lengths, usual
        )
        if not saved and lengths.holds_from_the_start:
            vectors.settle()
        return vectors, begin.notices

    def beside(self, content: bytes, state: TrainState) -> Mapping[str, bytes]:
        """Nothing: the state in the run folder has it all."""
        return {}

    def announce(self, host: Host, path: Path) -> None:
        """The host may refresh its list of embeddings."""
        host.embedding_saved(path)


def norms(rows: Mapping[str, Tensor]) -> Measures:
    """Encoder key → Euclidean length of each vector; a vocabulary row of SD1 has about 0.4."""
    return {
        key: [round(n, 6) for n in v.detach().cpu().norm(dim=1).tolist()] for key, v in rows.items()
    }


def to_embedding(
    name: str,
    rows: Mapping[str, Tensor],
    step: int,
    facts: ModelFacts,
    settings: Mapping[str, object],
    config: EmbeddingConfig,
    origin: Mapping[str, str] = MappingProxyType({}),
) -> Embedding:
    """Rows as an embedding with the metadata for its file; `settings` are what made it, `origin` is
    what else its file tells of that."""
    plain = Embedding(name, {key: value.detach().cpu() for key, value in rows.items()}, step)
    made = with_metadata(
        plain,
        facts.architecture,
        facts.checkpoint_name,
        facts.checkpoint_hash,
        settings,
        licence=config.metadata_license,
        negative=config.metadata_is_negative_embedding,
    )
    return replace(made, metadata={**made.metadata, **origin})
