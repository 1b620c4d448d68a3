"""kohya's dataset files: several folders, each with settings of its own (sd-scripts,
`docs/config_README`, `config_util.py`).

Settings of a subset win over those of its dataset, these over `[general]`, and all of them over
what was typed. Ours besides kohya's: `prompt_template`, `template_choice`, `resize_mode`,
`loss_weight` and `varsize`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from os.path import isdir
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigError, FileError
from ..events import Notice
from ..files.tables import PATHS, read_table
from ..options import (
    MOST_LETTERS,
    SettingValues,
    from_dict,
    leaves,
    nearest,
    to_dict,
    with_names,
)
from ..paths import given_path
from .captions import readable
from .config import DataConfig
from .folder import Folders, Subset, require_training, with_caption_lines

T = TypeVar("T")
Number = TypeVar("Number", int, float)
_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_MOST = 1_000_000
"""Of repeats, weights and images in a batch: more is a slip of the hand."""
_MOST_SUBSETS = 1000
_LEFT_OUT: dict[str, object] = {
    "cache_info": False,
    "caption_dropout_every_n_epochs": 0,
    "custom_attributes": {},
    "enable_wildcard": False,
    "face_crop_aug_range": None,
    "network_multiplier": 1.0,
    "random_crop": False,
    "resize_interpolation": None,
    "secondary_separator": None,
    "token_warmup_min": 1,
    "token_warmup_step": 0,
    "validation_seed": None,
    "validation_split": 0.0,
}
"""kohya's settings that change nothing here → the value with which they would change nothing
there."""
_OTHER_KINDS = {
    "metadata_file": "captions are read from text files beside the images",
    "conditioning_data_dir": "masks are read from NAME_mask.png beside NAME.png",
}
_OF_FOLDERS = ("image_dir", "num_repeats", "class_tokens", "is_reg", "loss_weight", "batch_size")
_NAMES = {"alpha_mask": "masked_loss"}
"""kohya's names → ours."""
_NOT_THERE = ("train_data_dir", "reg_data_dir", "dataset_config")


def read_dataset_file(path: Path, config: DataConfig) -> Folders:
    """The folders that a dataset file (.toml, else JSON) names; `config` holds what was typed.

    A folder is looked for from the working directory, then from the file's own. Raises ConfigError
    for a file that cannot be read, an unknown setting or a bad value.
    """
    table = _read(path)
    _require_known(table, ("general", "datasets"), path)
    notices: dict[str, Notice] = {}
    subsets = list(islice(_subsets(table, path), _MOST_SUBSETS + 1))
    if len(subsets) > _MOST_SUBSETS:
        raise ConfigError(f"{path} names more than {_MOST_SUBSETS} folders", "", "name fewer")
    folders = [_folder(settings, number, path, config, notices) for number, settings in subsets]
    found = Folders(tuple(folders), tuple(notices.values()))
    require_training(found, str(path))
    return found


def _read(path: Path) -> SettingValues:
    try:
        table = read_table(path)
    except FileError as error:
        what = f"cannot read the dataset file {path}"
        raise ConfigError(what, error.why, error.fix) from error
    return _table(table, "the file", path)


def _subsets(table: SettingValues, path: Path) -> Iterator[tuple[int, SettingValues]]:
    """(number of the dataset, all settings of one of its subsets)"""
    general = _table(table.get("general", {}), "general", path)
    for number, dataset in enumerate(_list(table.get("datasets", []), "datasets", path)):
        dataset = _table(dataset, "a dataset", path)
        subsets = _list(dataset.get("subsets", []), "subsets", path)
        own = {key: value for key, value in dataset.items() if key != "subsets"}
        for subset in subsets:
            yield number, {**general, **own, **_table(subset, "a subset", path)}


def _folder(
    settings: SettingValues,
    number: int,
    path: Path,
    config: DataConfig,
    notices: dict[str, Notice],
) -> Subset:
    settings = {_NAMES.get(key, key): value for key, value in settings.items()}
    _require_known(settings, _known(), path)
    for key in settings.keys() & _OTHER_KINDS.keys():
        raise ConfigError(f"{path}: {key} cannot be used", _OTHER_KINDS[key], "leave it out")
    for key in sorted(settings.keys() & _LEFT_OUT.keys()):
        if settings[key] != _LEFT_OUT[key]:
            what = f"{path.name}: {key} is left out"
            notices[key] = Notice("warning", what, "it has no counterpart here")
    if not isinstance(settings.get("image_dir"), str):
        raise ConfigError(f"{path}: a subset has no image_dir", "", "name its folder")
    for key in ("image_dir", "prompt_template"):
        _require_plain(str(settings.get(key, "")), key, path)
    image_dir = _found(settings["image_dir"], path)
    regular = _value(settings, "is_reg", False, path)
    weight = config.prior_loss_weight if regular else 1.0
    return Subset(
        image_dir,
        with_caption_lines(_settings(settings, image_dir, config, path), first_line=True),
        _at_least(_value(settings, "num_repeats", 1, path), 0, "num_repeats", path),
        readable(_value(settings, "class_tokens", "", path)),
        regular,
        weight * _at_least(_value(settings, "loss_weight", 1.0, path), 0, "loss_weight", path),
        _batch_size(settings, path),
        f"image_dir in {path}",
        number,
    )


def _settings(
    settings: SettingValues, image_dir: Path, config: DataConfig, path: Path
) -> DataConfig:
    """What was typed, with the file's settings in its place."""
    values = to_dict(config)
    for place, item in leaves(DataConfig):
        if item.name in settings:
            holder = values
            for name in place[:-1]:
                holder = holder[name]
            holder[item.name] = settings[item.name]
    if isinstance(values["resolution"], int):
        values["resolution"] = (values["resolution"], values["resolution"])
    values |= {"train_data_dir": str(image_dir), "reg_data_dir": "", "dataset_config": ""}
    ending = values["caption_extension"]
    if isinstance(ending, str) and not ending.startswith("."):
        values["caption_extension"] = f".{ending}"
    try:
        return from_dict(DataConfig, values)
    except ConfigError as error:
        own = error.reworded(lambda text: with_names(text, lambda name: _key(name, settings)))
        raise ConfigError(f"{path}: {own.what}", own.why, own.fix) from error


def _key(name: str, settings: SettingValues) -> str | None:
    """A setting that the file gives is named as it is there."""
    return name if name in settings else None


def _known() -> list[str]:
    ours = [item.name for _, item in leaves(DataConfig) if item.name not in _NOT_THERE]
    return [*_OF_FOLDERS, *ours, *_NAMES, *_LEFT_OUT, *_OTHER_KINDS]


def _found(name: str, path: Path) -> Path:
    folder = given_path(name, f"{path}: image_dir")
    beside = path.parent / folder
    return beside if not isdir(folder) and isdir(beside) else folder


def _require_plain(value: str, key: str, path: Path) -> None:
    r"""Raise ConfigError for a path that no disk has: `"C:\temp"` is read with a tab in it."""
    if len(value) > MOST_LETTERS:
        what = f"{path}: {key} has {len(value):,} characters"
        raise ConfigError(what, "", f"give at most {MOST_LETTERS:,}")
    if any(unicodedata.category(sign) == "Cc" for sign in value):
        why = "between double quotes, a backslash and a letter stand for another character"
        raise ConfigError(f"{path}: {key} is {value[:100]!r}", why, PATHS)


def _require_known(table: SettingValues, known: Sequence[str], path: Path) -> None:
    for key in table:
        if key not in known:
            what, why = f"{path}: unknown setting {key!r:.100}", ""
            if key in _known():
                why = "it is outside of [general], [[datasets]] and [[datasets.subsets]]"
            fix = "move it below one of them" if why else nearest(key, known)
            raise ConfigError(what, why, fix)


def _value(settings: SettingValues, key: str, default: T, path: Path) -> T:
    """A value of the default's type; a whole number may stand for another."""
    value = settings.get(key, default)
    kinds = (int, float) if type(default) is float else (type(default),)
    if type(value) not in kinds:
        raise ConfigError(f"{path}: {key} is {value!r:.100}", "", f"give {_KINDS[kinds[-1]]}")
    return value


def _batch_size(settings: SettingValues, path: Path) -> int | None:
    if "batch_size" not in settings:
        return None
    return _at_least(_value(settings, "batch_size", 1, path), 1, "batch_size", path)


def _at_least(value: Number, low: int, key: str, path: Path) -> Number:
    if not low <= value <= _MOST:
        raise ConfigError(f"{path}: {key} is {value}", "", f"give {low} to {_MOST:,}")
    return value


def _table(value: object, what: str, path: Path) -> SettingValues:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {what} is not a table of settings")
    return value


def _list(value: object, what: str, path: Path) -> list[object]:
    if not isinstance(value, list):
        raise ConfigError(f"{path}: {what} is not a list", "", f"write [[{what}]]")
    return value
