"""What a run trains, for everything around it: these protocols are all that it knows.

To add one: a subclass of `config.BaseTrainConfig` with a group of its own settings, a module like
`vectors`, and a line in `plan.LEARNABLES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor

from ..events import Notice
from ..files.embedding import Embedding
from ..port.session import Host, Hypernetwork, ModelFacts, Session, Vectors
from ..randomness import Draws
from .events import Measures
from .going_on import Origin

if TYPE_CHECKING:
    from .state import TrainState

DTYPES = {"float": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""kohya's `save_precision` → what numbers are in the files of a run."""
MARK = ":"
"""Between word and text encoder in the name of a tensor, where there are several words."""


@dataclass(frozen=True)
class ExtraNetworks:
    """What is added to the host's model while it computes, under A1111's name for it."""

    embeddings: Mapping[str, Vectors] = field(default_factory=dict)
    """Word → its vectors, as `Session.encode_prompts` takes them."""
    hypernetwork: Hypernetwork | None = None


class Content(NamedTuple):
    """A file that a learnable has become."""

    data: bytes
    embedding: Embedding | None
    """What notes beside the file are written about; None for no notes."""


class Learnable(Protocol):
    """Tensors with names: what they add to a model, and the file that they become."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Name → fp32 leaf on the session's device; the same tensors at every call."""

    @property
    def size(self) -> str:
        """How much is trained, in words, such as "3 vector(s)"."""

    def of(self, name: str) -> Learnable:
        """The part that becomes the file of this word, or of this name: itself where there is one
        file. Raises KeyError for another name, where there are several."""

    def extra_networks(self, draws: Draws | None = None, strength: float = 1.0) -> ExtraNetworks:
        """What the session adds to the model; differentiable in the tensors. What is random in
        training (dropout) follows `draws`; without them nothing is. The effect of a hypernetwork is
        multiplied by `strength`."""

    def settle(self) -> None:
        """Bring the tensors, in place, to what must hold after an update, such as their lengths;
        nothing for most."""

    def measures(self) -> Measures:
        """Numbers that show how training changes it, such as lengths of vectors."""

    @property
    def usual_lengths(self) -> Mapping[str, float]:
        """Text encoder → the usual length of a word, where `measures` are lengths of vectors; empty
        for others."""

    def content(
        self,
        name: str,
        step: int,
        facts: ModelFacts,
        settings: Mapping[str, object],
        origin: Mapping[str, str],
    ) -> Content:
        """The file of this name (without ending) as it is after `step` updates, made by `settings`;
        `origin` is further metadata (`provenance`). Equal arguments and tensors give equal bytes.
        Raises EmbeddingError for values that are not finite.
        """


class LearnableKind(Protocol):
    """What is known about a learnable from its settings alone, and how its tensors begin."""

    @property
    def folder(self) -> str:
        """Name of the folder of copies in a run folder."""

    @property
    def loss_csv(self) -> str:
        """Name of the table of losses in a run folder, as A1111 has it."""

    @property
    def suffix(self) -> str:
        """Ending of its files, with the dot."""

    def check(self, facts: ModelFacts, saved: Mapping[str, Tensor] | None) -> None:
        """Raise TIError when the start, or the `saved` tensors of a run, do not fit the model."""

    def origin(self, facts: ModelFacts) -> Origin | None:
        """The file that training starts from, if the settings name one. Raises FileError where it
        does not fit the model."""

    def start(
        self, facts: ModelFacts, session: Session, saved: Mapping[str, Tensor] | None
    ) -> tuple[Learnable, tuple[Notice, ...]]:
        """The learnable on the session's device, from `saved` tensors where a run is resumed."""

    def beside(self, content: bytes, state: TrainState) -> Mapping[str, bytes]:
        """What else the last `state` leaves beside the finished file of this content: what is added
        to its name → bytes."""

    def announce(self, host: Host, path: Path) -> None:
        """Tell the host that the finished file was written."""


def snapshot(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the tensors' device."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@torch.no_grad()
def restore(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Write values back in place. Raises KeyError for a tensor without one."""
    for name, tensor in tensors.items():
        tensor.copy_(values[name])
