"""What the form of Train remembers: the last training, and the defaults that a user has saved.

A web UI keeps saved defaults in its `ui-config.json`, under "page/label/value". It would write
every default of ours there at its first start, and better ones would never arrive; so the page
stays out of that (`panel`), and only what a user saves is written there, by the web UI's own names.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ti_core.errors import ConfigError, FileError, ForbiddenError, StorageError, TIError
from ti_core.files.atomic import make_folder, write_bytes
from ti_core.files.text_file import read_json
from ti_core.options import SettingValues, about, flat, from_dict, leaves, make_config
from ti_core.train.config import TrainConfig
from ti_core.train.run_folder import RunFolder

from .markup import LABELS
from .studio import Studio

LAST = "last_form.json"
"""In the log directory."""
PAGE = "textual_inversion_studio"
"""The page's name in `ui-config.json`."""
_NOT_KEPT = (
    *("token_string", "weights", "output_dir", "output_name", "overwrite", "logging_dir"),
    "expected_data",
)
"""Settings of one training, and the log directory, which the settings of the program have."""
_MOST_BYTES = 8 * 2**20
_MOST_RUNS = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FormMemory:
    """Where it is kept is decided by the surroundings of the panel."""

    studio: Studio

    # -- the last training -----------------------------------------------------------------

    def keep(self, settings: SettingValues) -> None:
        """Remember what a training was begun with; where that fails, training continues."""
        values = {name: each for name, each in settings.items() if name not in _NOT_KEPT}
        try:
            make_folder(self._last().parent)
            write_bytes(self._last(), json.dumps(values, indent=4).encode())
        except (StorageError, TIError) as error:
            _log.warning("the form of the last training was not kept: %s", error)

    def last(self) -> SettingValues:
        """What the last training was begun with, but its word; empty where none was."""
        try:
            found = read_json(self._last())
        except TIError:
            return {}
        return dict(_possible(found)) if isinstance(found, dict) else {}

    def _last(self) -> Path:
        return self.studio.places().within(self.studio.settings().logging_dir) / LAST

    # -- saved defaults --------------------------------------------------------------------

    def saved(self) -> SettingValues:
        """The defaults that the user has saved, in `ui-config.json`."""
        try:
            found = self._ui_config()
        except FileError:
            return {}
        named = ((name, found.get(_key(name))) for name in _labels())
        return dict(_possible({name: value for name, value in named if value is not None}))

    def save(self, settings: SettingValues, usual: SettingValues) -> Path:
        """Keep the settings that are not at their `usual` values as defaults, and forget others.

        Raises ForbiddenError where the page is open to strangers, FileError for a `ui-config.json`
        that cannot be read, StorageError.
        """
        places = self.studio.places()
        if places.datasets is not None:
            what = "defaults cannot be saved from here"
            raise ForbiddenError(what, "others see this page, too", places.widened_by)
        found, path = self._ui_config(), self._path()
        for name in _labels():
            found.pop(_key(name), None)
            if name in settings and settings[name] != usual.get(name):
                found[_key(name)] = settings[name]
        make_folder(path.parent)
        write_bytes(path, json.dumps(found, indent=4, ensure_ascii=False).encode())
        return path

    def _ui_config(self) -> SettingValues:
        path = self._path()
        if not path.exists():
            return {}
        found = read_json(path, _MOST_BYTES)
        if not isinstance(found, dict):
            raise FileError(f"cannot read {path}", "it does not hold settings", "delete it")
        return found

    def _path(self) -> Path:
        own = self.studio.ui_config()
        return (
            own
            or self.studio.places().within(self.studio.settings().logging_dir) / "ui-config.json"
        )

    # -- settings of a run -----------------------------------------------------------------

    def runs(self) -> list[str]:
        """The folders of runs whose settings can be loaded, newest first."""
        found = [run for logs in self.studio.logging_dirs() for run, _ in RunFolder.all_of(logs)]
        paths = sorted((run.path for run in found), key=_when, reverse=True)
        return [str(path) for path in paths[:_MOST_RUNS]]

    def of_run(self, text: str) -> SettingValues:
        """Every setting of a run, by its folder or its settings.json.

        Raises ForbiddenError, TrainingError or ConfigError where they cannot be read.
        """
        path = self.studio.places().within(text, "logging_dir")
        folder = RunFolder(path.parent if path.name == "settings.json" else path)
        train = folder.read_settings().get("train")
        if not isinstance(train, dict):
            what = f"{path} does not contain the settings of a run"
            raise ConfigError(what, "", "choose a run folder, or its settings.json")
        return flat(from_dict(TrainConfig, train))


def _when(path: Path) -> float:
    try:
        return (path / "settings.json").stat().st_mtime
    except OSError:
        return 0.0


def _labels() -> dict[str, str]:
    """Setting → its label on the page."""
    every = {path[-1]: about(item).label for path, item in leaves(TrainConfig)}
    return {name: label for name, label in {**every, **LABELS}.items() if name not in _NOT_KEPT}


def _key(name: str) -> str:
    """As the web UI names a component's value."""
    return f"{PAGE}/{_labels()[name]}/value"


def _possible(values: SettingValues) -> Iterator[tuple[str, object]]:
    """Those that are settings, and have values that are possible today and go together."""
    known = [path[-1] for path, _ in leaves(TrainConfig) if path[-1] in values]
    word: SettingValues = {"token_string": "unnamed"}
    try:  # all at once, which is quick, and what it nearly always is
        made = flat(make_config(TrainConfig, word | {name: values[name] for name in known}))
        yield from ((name, made[name]) for name in known)
    except ConfigError:
        yield from _one_by_one(word, values, known)


def _one_by_one(
    accepted: SettingValues, values: SettingValues, known: list[str]
) -> Iterator[tuple[str, object]]:
    for name in known:
        try:
            made = make_config(TrainConfig, {**accepted, name: values[name]})
        except ConfigError as error:
            _log.warning("a remembered setting is left out: %s", error)
        else:
            accepted = {**accepted, name: values[name]}
            yield name, flat(made)[name]
