"""What a comparison must know about a learnable: how its copies are read, shown, measured, used.

To add one: a module like `embeddings`, and a line in `subjects.SUBJECTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from ..data.config import DataConfig
from ..events import Notice
from ..files.kept import KEPT
from ..port.session import Host, ModelFacts, PreviewRequest, Session
from ..train.config import BaseTrainConfig
from ..train.learnable import ExtraNetworks


class Measured(NamedTuple):
    """How strongly a copy changes a model."""

    value: float
    """Of an embedding: length of its longest vector ÷ the usual length of a word. Of a
    hypernetwork: see `HypernetworkCopy.strength`."""
    verdict: str = ""
    """A word for it; empty where there is no rule of thumb."""

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.verdict})" if self.verdict else f"{self.value:.3g}"


class Copy(Protocol):
    """What was learned, as it was after some steps."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def label(self) -> str:
        """What it is called in tables and sheets: the file's stem."""

    @property
    def step(self) -> int:
        """Updates it has had, as its file says."""

    def added(self, name: str, device: torch.device, weight: float = 1.0) -> ExtraNetworks:
        """What a session on this device adds to the model. `name` is the word that stands for it
        in prompts, where one does; then the weight is in the prompt, too (`Wording`)."""

    def credited(
        self, request: PreviewRequest, name: str, weight: float
    ) -> tuple[PreviewRequest, Mapping[str, str]]:
        """The request and the "TI hashes" with which A1111 says that it was used."""

    def fitted(self, facts: ModelFacts) -> Copy:
        """The same for this model. Raises FileError where it is for another kind."""

    def require_fit(self, facts: ModelFacts, session: Session) -> None:
        """Raise FileError where it would change nothing in the model that is open."""

    def notices(self, facts: ModelFacts) -> list[Notice]:
        """What to know about its use in this model."""

    def strength(self, facts: ModelFacts, session: Session, words: Mapping[str, float]) -> Measured:
        """How strong it is in the model that is open. `words`: encoder key → usual length of a
        word there."""


@dataclass(frozen=True)
class Wording:
    """How prompts call what is compared."""

    by_word: bool
    """Whether a prompt has it only where it holds [name]; otherwise every prompt has it."""

    def word(self, name: str, weight: float) -> str:
        """What takes [name]'s place for a copy of this weight."""
        if self.by_word and weight != 1:
            return f"({name}:{weight:g})"
        return name

    def called(self, name: str) -> str:
        """What is written into a prompt to use it."""
        return name if self.by_word else f"<hypernet:{name}:1>"

    def without(self, name: str) -> str:
        """What takes [name]'s place in the row without any copy."""
        return "" if self.by_word else name


class Subject(Protocol):
    """A kind of learnable whose copies can be compared."""

    @property
    def config(self) -> type[BaseTrainConfig]:
        """Settings of its runs."""

    @property
    def group(self) -> str:
        """Their group that only this learnable has."""

    @property
    def folder(self) -> str:
        """Folder of copies in a run folder."""

    @property
    def data(self) -> DataConfig:
        """How its trainings read images, unless they are told otherwise."""

    @property
    def wording(self) -> Wording:
        """How prompts call it."""

    def holds(self, path: Path) -> bool:
        """Whether a file says that it is of this kind."""

    def read(self, path: Path) -> Copy:
        """The copy in a file. Raises FileError."""

    def use(
        self,
        path: Path,
        folder: Path,
        name: str,
        replace_present: bool = False,
        keep_replaced: int = KEPT,
    ) -> Path:
        """Write the copy in `path` under this name into `folder`; see `adopt`."""

    def home(self, host: Host) -> Path:
        """Where the program looks for such files."""

    def announce(self, host: Host, path: Path) -> None:
        """Tell the host that such a file was written."""
