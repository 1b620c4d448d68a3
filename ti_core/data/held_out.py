"""Images that are kept out of a training, to judge by."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..errors import DataError, setting
from ..randomness import generator
from .config import DataConfig
from .dataset import Dataset, read_dataset
from .picture_facts import Look, read_facts


@dataclass(frozen=True)
class Parts:
    """What is trained on, and what is only looked at."""

    trained: Dataset
    held_out: Dataset | None = None


def parted(dataset: Dataset, share: float, seed: int) -> Parts:
    """Hold out a share (0 to 1) of the training images, of which the seed decides: one at least,
    and one at least stays. Raises DataError for a dataset of a single image."""
    if not share:
        return Parts(dataset)
    own = training_pictures(dataset)
    if len(own) < 2:
        what = f"{setting('validation_split')} needs two images, and there is {len(own)}"
        raise DataError(what, "", f"add images, or use {setting('validation_data_dir')}")
    count = min(max(1, round(share * len(own))), len(own) - 1)
    shuffled = torch.randperm(len(own), generator=generator(seed, "validation split"))
    held = {own[place] for place in shuffled[:count].tolist()}
    rest = [index for index in range(len(dataset.items)) if index not in held]
    return Parts(_only(dataset, rest), _only(dataset, sorted(held)))


def held_out_folder(
    folder: str, config: DataConfig, name: str, resolution: int, look: Look = read_facts
) -> Dataset:
    """The images of a folder of their own, read with the settings of the others.

    Raises DataError when there are none.
    """
    alone = dataclasses.replace(config, train_data_dir=folder, reg_data_dir="", dataset_config="")
    try:
        return read_dataset(alone, name, resolution, look)
    except DataError as error:
        fix = f"check {setting('validation_data_dir')}"
        raise DataError(error.what, error.why, fix) from error


def training_pictures(dataset: Dataset) -> list[int]:
    """The numbers of those that are not regularization images."""
    return [
        index for index in range(len(dataset.items)) if not dataset.source(index).folder.regular
    ]


def _only(dataset: Dataset, kept: Sequence[int]) -> Dataset:
    return dataclasses.replace(
        dataset,
        items=tuple(dataset.items[index] for index in kept),
        origin=tuple(dataset.origin[index] for index in kept),
        repeats=tuple(dataset.repeats[index] for index in kept),
    )
