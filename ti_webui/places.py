"""What the page and the API may read and write: decided here and nowhere else (docs/access.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from ti_core.data.config import DataConfig
from ti_core.data.folders import folders_of
from ti_core.data.templates import template_file
from ti_core.errors import ForbiddenError, setting
from ti_core.files.roots import is_within, is_written_within, read_path, ways_out
from ti_core.options import PathKind, about
from ti_core.train.config import TrainConfig
from ti_core.train.previews import prompts_file
from ti_core.train.words import words_file, words_of, written_out

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound="DataclassInstance")


@dataclass(frozen=True)
class Places:
    """Folders that a surface may open."""

    own: tuple[Path, ...]
    """Embeddings and templates, as the program was started, not as a page may set them: read,
    written, and shown line by line."""
    datasets: tuple[Path, ...] | None = None
    """Images, captions and runs are read and written below these and `own`; None: wherever the
    user says, who is alone with this machine or has given a password."""
    widened_by: str = ""
    """What somebody has to do who wants more folders."""

    def within(self, text: str, name: str = "") -> Path:
        """A file or folder that is read or written as `datasets` says, absolute.

        Raises ForbiddenError outside of that, ConfigError for what is not a path. `name` is the
        setting that names it.
        """
        path = read_path(text, what=setting(name) if name else "")
        if not self.allows(path):
            raise self._forbidden(path, name, self._roots)
        return path

    def allows(self, path: Path) -> bool:
        """Whether a file or folder may be read or written as `datasets` says."""
        return self.datasets is None or is_within(path, self._roots)

    def folder(self, text: str, name: str = "") -> Path:
        """A folder whose images and texts are read, absolute.

        Raises as `within` does, and ForbiddenError for a link in it that leads out.
        """
        path = self.within(text, name)
        for link in ways_out(path, self._roots) if self.datasets is not None else ():
            raise self._forbidden(link, name, self._roots)
        return path

    def checked(self, config: C) -> C:
        """A config with absolute paths, all of which may be opened.

        Raises ForbiddenError for the first that may not, ConfigError for impossible paths, and what
        a dataset file raises.
        """
        config = self._each(config)
        for data in _with_dataset_file(config):
            for subset in folders_of(data).folders:
                self._each(subset.config)
        if isinstance(config, TrainConfig):
            config = cast(C, self._with_words(config))
        return config

    def _with_words(self, config: TrainConfig) -> TrainConfig:
        """What is checked is what is trained: a file of words is not read again."""
        config = written_out(config)
        for word in words_of(config):
            self.checked(word)
        return config

    @property
    def _roots(self) -> tuple[Path, ...]:
        return (*self.own, *(self.datasets or ()))

    def _each(self, config: C) -> C:
        changed: dict[str, object] = {}
        for item in fields(config):
            value = getattr(config, item.name)
            if is_dataclass(value) and not isinstance(value, type):
                changed[item.name] = self._each(value)
            elif "option" in item.metadata and (kind := about(item).path) and value.strip():
                changed[item.name] = str(_ALLOWED[kind](self, value, item.name))
        return replace(config, **changed)

    def _text(self, text: str, name: str) -> str | Path:
        """Texts themselves, and files of `own`: their lines are shown."""
        file = _TEXT_FILES.get(name, prompts_file)(text)
        if file is None:
            return text
        path = read_path(str(file))
        if not is_within(path, self.own):
            raise self._forbidden(path, name, self.own)
        return path

    def _embeddings(self, text: str, name: str) -> Path:
        """Links in the folders of embeddings lead to where somebody keeps large files."""
        path = read_path(text, what=setting(name))
        if self.datasets is not None and not is_written_within(path, self.own):
            raise self._forbidden(path, name, self.own)
        return path

    def _model(self, text: str, name: str) -> str | Path:
        """A folder, or the name of a model in the cache of its library."""
        is_path = any(sign in text for sign in ":\\~") or text.startswith((".", "/"))
        return self.within(text, name) if is_path or Path(text).exists() else text

    def _forbidden(self, path: Path, name: str, roots: tuple[Path, ...]) -> ForbiddenError:
        what = f"{setting(name)}: {path}" if name else str(path)
        fix = f"put it below {', '.join(map(str, roots))}"
        if roots is not self.own and self.widened_by:
            fix = f"{fix}, or {self.widened_by}"
        return ForbiddenError(f"{what} may not be opened from here", "", fix)


_TEXT_FILES: Mapping[str, Callable[[str], Path | None]] = {
    "prompt_template": template_file,
    "words": words_file,
}
_ALLOWED: Mapping[PathKind, Callable[[Places, str, str], str | Path]] = {
    "input folder": Places.folder,
    "output folder": Places.within,
    "dataset file": Places.within,
    "file": Places.within,
    "text file": Places._text,
    "embeddings": Places._embeddings,
    "model": Places._model,
}


def _with_dataset_file(config: object) -> Iterator[DataConfig]:
    data = getattr(config, "data", config)
    if isinstance(data, DataConfig) and data.dataset_config:
        yield data
