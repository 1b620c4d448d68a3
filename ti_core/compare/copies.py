"""Where the copies of an embedding lie: files, and the folders that runs leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, FileError, TIError
from ..events import Listener, Notice
from ..files.embedding import Embedding, for_encoders
from ..files.reading import read_embedding
from ..options import from_dict
from ..port.session import ModelFacts, Vectors
from ..train.config import TrainConfig
from ..train.learnable import ExtraNetworks
from ..train.run_folder import RunFolder

_ENDINGS = (".safetensors", ".pt", ".bin")


@dataclass(frozen=True)
class Copy:
    """An embedding as it was after some steps."""

    path: Path
    embedding: Embedding
    vectors: Vectors
    """The same under the model's encoder keys."""

    @property
    def label(self) -> str:
        """What it is called in tables and sheets: the file's stem."""
        return self.path.stem

    @property
    def step(self) -> int:
        """Updates it has had, as its file tells."""
        return self.embedding.step

    def added(self, name: str) -> ExtraNetworks:
        """What a session adds to the model, under this name in prompts."""
        return ExtraNetworks({name: self.vectors})


@dataclass(frozen=True)
class PastRun:
    """A run folder with copies in it."""

    folder: Path
    name: str
    """The new word that was taught."""
    copies: tuple[Path, ...]
    """By their steps."""

    @property
    def label(self) -> str:
        """The day, and the folder's name."""
        return f"{self.folder.parent.name} · {self.folder.name} · {len(self.copies)} copies"


def list_runs(logging_dir: Path) -> list[PastRun]:
    """The runs in a log directory that have copies, the newest first; wrecks are passed over."""
    folders = [path.parent for path in logging_dir.glob("*/*/settings.json")]
    folders.sort(key=lambda folder: (folder / "settings.json").stat().st_mtime, reverse=True)
    found = ((folder, copy_files(folder)) for folder in folders)
    return [PastRun(folder, _word(folder), files) for folder, files in found if files]


def copy_files(folder: Path) -> tuple[Path, ...]:
    """The copies in a run folder, by their steps; in another folder, every embedding by name."""
    inside = folder / "embeddings"
    place = inside if (folder / "settings.json").is_file() and inside.is_dir() else folder
    files = (path for path in place.iterdir() if path.suffix.lower() in _ENDINGS)
    return tuple(sorted(path for path in files if not path.name.startswith(".")))


def config_of(folder: Path) -> TrainConfig:
    """The settings of a run. Raises TrainingError, ConfigError when they cannot be read."""
    found = RunFolder(folder).read_settings().get("train")
    return from_dict(TrainConfig, found if isinstance(found, dict) else {})


def _word(folder: Path) -> str:
    try:
        return config_of(folder).name
    except TIError:
        return folder.name


def read_copies(
    paths: Iterable[Path], facts: ModelFacts, on_event: Listener = lambda event: None
) -> list[Copy]:
    """The copies, by their steps; files that cannot be read are told to `on_event`.

    Raises EmbeddingError for one of another family of models, and when none can be read.
    """
    found, errors = readable(paths)
    copies = [Copy(p, one, for_encoders(one, facts.widths, p.name)) for p, one in found]
    if not copies:
        raise (
            errors[0]
            if errors
            else DataError("no copies are chosen", "", "choose a run, or name some files")
        )
    for error in errors:
        on_event(Notice("warning", error.what, error.why, "the others are compared without it"))
    return sorted(copies, key=lambda copy: (copy.step, copy.label))


def readable(paths: Iterable[Path]) -> tuple[list[tuple[Path, Embedding]], list[FileError]]:
    """The embeddings in these files, and why some of them cannot be read."""
    found, errors = [], []
    for path in paths:
        try:
            found.append((path, read_embedding(path)))
        except FileError as error:
            errors.append(error)
    return found, errors


def some_of(copies: Sequence[Path], count: int) -> list[Path]:
    """At most so many, evenly spread, the first and the last among them."""
    if len(copies) <= count:
        return list(copies)
    if count == 1:
        return [copies[-1]]
    places = [round(number * (len(copies) - 1) / (count - 1)) for number in range(count)]
    return [copies[place] for place in places]
