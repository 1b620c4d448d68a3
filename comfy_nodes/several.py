"""Several embeddings that are trained in one run, each on images of its own."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

from ..ti_core.data.config import DataConfig
from ..ti_core.files.embedding import Embedding
from ..ti_core.files.names import fitting_name
from ..ti_core.files.reading import read_embedding
from ..ti_core.files.writing import write_embedding
from ..ti_core.options import SettingValues, leaves
from ..ti_core.train.config import TrainConfig, WordsConfig
from ..ti_core.train.words import parts_of, text_of
from .sockets import DatasetValue


@dataclass(frozen=True)
class Several:
    """Embeddings, and the images of each; none where they are what was learned."""

    embeddings: tuple[Embedding, ...]
    datasets: tuple[DatasetValue, ...] = ()

    @property
    def name(self) -> str:
        """Of their run."""
        return fitting_name("-".join(each.name for each in self.embeddings))

    @property
    def resolution(self) -> tuple[int, int] | None:
        """Of the previews: that of the images, where all have the same."""
        sizes = {each.data.resolution for each in self.datasets}
        return sizes.pop() if len(sizes) == 1 else None


def with_words(config: TrainConfig, start: Several, files: tuple[str, ...]) -> TrainConfig:
    """The settings of a run with a table for each embedding; it starts from these `files`."""
    parts = zip(start.embeddings, start.datasets, files, strict=True)
    tables = [
        {"token_string": word.name, "weights": file, **_differing(dataset.data)}
        for word, dataset, file in parts
    ]
    return replace(config, several=WordsConfig(text_of(tables)))


def _differing(data: DataConfig) -> SettingValues:
    """The settings of a dataset that are not the defaults, by name."""
    every = leaves(DataConfig)
    values = {path[-1]: functools.reduce(getattr, path, data) for path, _ in every}
    usual = {path[-1]: item.default for path, item in every}
    return {name: value for name, value in values.items() if value != usual[name]}


def started_in(config: TrainConfig, start: Several, folder: Path) -> TrainConfig:
    """The settings of a run whose embeddings are in its folder, where it reads them."""
    files = [
        folder / f"start-{number}.safetensors" for number in range(1, len(start.embeddings) + 1)
    ]
    for file, embedding in zip(files, start.embeddings, strict=True):
        if not file.exists():
            write_embedding(file, embedding)
    return with_words(config, start, tuple(map(str, files)))


def learned(config: TrainConfig, path: Path) -> Several:
    """What a run has written beside its first file."""
    files = [path.with_stem(part.file_stem) for part in parts_of(config)]
    return Several(tuple(map(read_embedding, files)))
