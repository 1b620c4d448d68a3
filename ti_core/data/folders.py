"""Where the images lie: one folder, kohya's numbered folders, or what a dataset file names."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from os.path import isdir
from pathlib import Path

from ..errors import DataError, setting
from ..events import Notice
from ..paths import given_path
from .config import DataConfig
from .dataset_file import read_dataset_file
from .folder import Folders, Subset, with_caption_lines
from .picture_formats import is_picture_name
from .pictures import list_folder

_NUMBERED = re.compile(r"(\d{1,6})(?:_(.*))?", re.DOTALL)
"""`10_zz-cat sitting`: repeats and words."""


def folders_of(config: DataConfig) -> Folders:
    """The folders that the settings mean.

    A folder with images in it is A1111's: one folder, every image once. One that holds only
    folders called `<repeats>_<words>` is kohya's.
    Raises DataError for a missing folder, ConfigError for a dataset file that cannot be read.
    """
    if config.dataset_config:
        return read_dataset_file(Path(config.dataset_config), config)
    folder = given_path(config.train_data_dir, setting("train_data_dir"))
    train = list(_of(folder, config, regular=False))
    regular = []
    if config.reg_data_dir:
        if not isdir(config.reg_data_dir):
            raise DataError(
                f"there is no folder {config.reg_data_dir}", "", f"check {setting('reg_data_dir')}"
            )
        regular = list(_of(Path(config.reg_data_dir), config, regular=True))
    return Folders((*train, *regular), tuple(_notices(config)))


def _of(path: Path, config: DataConfig, regular: bool) -> Iterator[Subset]:
    weight = config.prior_loss_weight if regular else 1.0
    numbered = dict(_numbered(path)) if isdir(path) and not holds_pictures(path) else {}
    if not numbered:
        settings = dataclasses.replace(with_caption_lines(config, False), train_data_dir=str(path))
        name = setting("reg_data_dir" if regular else "train_data_dir")
        yield Subset(path, settings, regular=regular, weight=weight, origin=name)
    elif not any(repeats for repeats, _ in numbered.values()):
        why, fix = "all have 0 repeats", f"call it 1_{next(iter(numbered)).name.partition('_')[2]}"
        raise DataError(f"no numbered folder in {path} is trained on", why, fix)
    for folder, (repeats, words) in numbered.items():
        settings = dataclasses.replace(with_caption_lines(config, True), train_data_dir=str(folder))
        if repeats:
            yield Subset(folder, settings, repeats, words, regular, weight)


def _numbered(path: Path) -> Iterator[tuple[Path, tuple[int, str]]]:
    """(folder, (repeats, words)) of the folders that are called so, by name."""
    for folder in list_folder(path):
        match = _NUMBERED.fullmatch(folder.name)
        if match and folder.is_dir():
            yield folder, (int(match[1]), (match[2] or "").strip())


def holds_pictures(path: Path) -> bool:
    """Whether there are images directly in a folder. Raises DataError if it cannot be read."""
    return any(is_picture_name(each) and each.is_file() for each in list_folder(path))


def _notices(config: DataConfig) -> Iterator[Notice]:
    """Numbered folders that are not read, and folders without a number."""
    for path in filter(None, (config.train_data_dir, config.reg_data_dir)):
        folder = Path(path)
        repeats = {each.name: n for each, (n, _) in _numbered(folder)} if isdir(folder) else {}
        if repeats and holds_pictures(folder):
            what = f"{len(repeats)} numbered folder(s) in {folder} are left out ({min(repeats)})"
            why, fix = "there are images beside them", "move those into a numbered folder, too"
            yield Notice("warning", what, why, fix)
        elif repeats:
            yield from _left_out(folder, repeats)


def _left_out(folder: Path, repeats: dict[str, int]) -> Iterator[Notice]:
    folders = [each for each in list_folder(folder) if each.is_dir() and os.access(each, os.R_OK)]
    names = [each.name for each in folders if not repeats.get(each.name) and holds_pictures(each)]
    if names:
        what = f"{len(names)} folder(s) in {folder} are left out ({names[0]})"
        why = "their names do not begin with a number of repeats, 1 or more"
        yield Notice("warning", what, why, f"call it 1_{names[0]}")
