"""Where the copies of what was learned are: files, and the folders that runs leave behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigError, DataError, FileError, TIError, setting
from ..events import Listener, Notice
from ..files.embedding import Embedding
from ..files.reading import read_embedding
from ..options import from_dict
from ..port.session import ModelFacts
from ..train.config import BaseTrainConfig
from ..train.run_folder import RunFolder
from ..train.words import words_of
from .subject import Copy, Subject
from .subjects import EMBEDDINGS, SUBJECTS, subject_of

Found = TypeVar("Found")
_ENDINGS = (".safetensors", ".pt", ".bin")


@dataclass(frozen=True)
class PastRun:
    """A run folder with copies in it."""

    folder: Path
    name: str
    """Of what was learned."""
    copies: tuple[Path, ...]
    """By their steps."""
    subject: Subject = EMBEDDINGS

    several: bool = False
    """The run has made others, too."""

    @property
    def label(self) -> str:
        """The day, the folder's name, and what it is of, if not of an embedding of its name."""
        kind = "" if self.subject is EMBEDDINGS else f" · {self.subject.group}"
        kind = f" · {self.name}" if self.several else kind
        place = f"{self.folder.parent.name} · {self.folder.name}"
        return f"{place}{kind} · {len(self.copies)} copies"


def list_runs(logging_dir: Path, subjects: Sequence[Subject] = (EMBEDDINGS,)) -> list[PastRun]:
    """The runs of these kinds in a log directory that have copies, the newest first; wrecks are
    skipped."""
    folders = [path.parent for path in logging_dir.glob("*/*/settings.json")]
    folders.sort(key=lambda folder: (folder / "settings.json").stat().st_mtime, reverse=True)
    found = (run for folder in folders for run in _runs(folder))
    return [run for run in found if run.copies and run.subject in subjects]


def _runs(folder: Path) -> list[PastRun]:
    """A run, or what each of its words is of it."""
    words, subject = _words(folder), subject_in(folder)
    if not words:
        return [PastRun(folder, _name(folder), copy_files(folder), subject)]
    return [PastRun(folder, w, copies_of(folder, w), subject, len(words) > 1) for w in words]


def copies_of(folder: Path, word: str) -> tuple[Path, ...]:
    """The copies of one of several words in a run folder, by their steps."""
    wanted = re.compile(rf"{re.escape(word)}-([0-9]{{6,15}}|best)")
    return tuple(path for path in copy_files(folder) if wanted.fullmatch(path.stem))


def subject_in(folder: Path) -> Subject:
    """What the copies in a run folder, or the files in another folder, are."""
    if is_run(folder):
        there = (one for one in SUBJECTS if (folder / one.folder).is_dir())
        return next(there, EMBEDDINGS)
    return subject_of(copy_files(folder))


def is_run(folder: Path) -> bool:
    """Whether a folder is one of a run."""
    return (folder / "settings.json").is_file()


def copy_files(folder: Path) -> tuple[Path, ...]:
    """The copies in a run folder, by their steps; in another folder, every such file by name."""
    inside = folder / subject_in(folder).folder if is_run(folder) else folder
    place = inside if inside.is_dir() else folder
    files = (path for path in place.iterdir() if path.suffix.lower() in _ENDINGS)
    return tuple(sorted(path for path in files if not path.name.startswith(".")))


def config_of(folder: Path) -> BaseTrainConfig:
    """The settings of a run. Raises TrainingError, ConfigError when they cannot be read."""
    found = RunFolder(folder).read_settings().get("train")
    values = found if isinstance(found, dict) else {}
    subject = next((one for one in SUBJECTS if one.group in values), EMBEDDINGS)
    return from_dict(subject.config, values)


def config_of_word(folder: Path, word: str) -> BaseTrainConfig:
    """The settings of one word of a run, as if it had been trained alone; those of the run where it
    has one. Raises as `config_of` does, and ConfigError for a word that it does not have."""
    config = config_of(folder)
    words = {each.name: each for each in words_of(config)}
    if words and word not in words:
        what = f"the run {folder} has {len(words)} words: {', '.join(words)}"
        raise ConfigError(what, "", f"name one of them as {setting('token_string')}")
    return words.get(word, config)


def _words(folder: Path) -> list[str]:
    try:
        return [word.name for word in words_of(config_of(folder))]
    except TIError:
        return []


def _name(folder: Path) -> str:
    try:
        return config_of(folder).name
    except TIError:
        return folder.name


def read_copies(
    paths: Iterable[Path],
    facts: ModelFacts,
    on_event: Listener = lambda event: None,
    subject: Subject = EMBEDDINGS,
) -> list[Copy]:
    """The copies, by their steps; files that cannot be read are told to `on_event`.

    Raises FileError for one of another family of models, and when none can be read.
    """
    found, errors = _read(paths, subject.read)
    if not found:
        raise (
            errors[0]
            if errors
            else DataError("no copies are chosen", "", "choose a run, or name some files")
        )
    for error in errors:
        on_event(Notice("warning", error.what, error.why, "the others are compared without it"))
    return sorted((copy.fitted(facts) for _, copy in found), key=lambda one: (one.step, one.label))


def readable(paths: Iterable[Path]) -> tuple[list[tuple[Path, Embedding]], list[FileError]]:
    """The embeddings in these files, and why some of them cannot be read."""
    return _read(paths, read_embedding)


def _read(
    paths: Iterable[Path], reader: Callable[[Path], Found]
) -> tuple[list[tuple[Path, Found]], list[FileError]]:
    found, errors = [], []
    for path in paths:
        try:
            found.append((path, reader(path)))
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
