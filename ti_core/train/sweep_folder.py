"""The folder of a sweep: what it is to train, how far it is, and its runs.

<log directory>/<YYYY-MM-DD>-<name>-sweep[-2, -3 …]/
    sweep.json       what is trained with which settings, and what has come of it
    comparison.html  the results side by side
    <name>-1/        a run folder, as every training has it
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import FileError, StorageError, TIError, TrainingError, setting
from ..files.atomic import make_folder, names_in, storage_errors
from ..files.names import checked_name
from ..files.seal import read_sealed_json, write_sealed_json
from ..options import SettingValues, flat, make_config, to_dict
from .config import BaseTrainConfig
from .plan import LEARNABLES
from .run_folder import RunFolder
from .sweep_result import VariantResult
from .sweep_variants import Variant

RECORD, PAGE = "sweep.json", "comparison.html"
VariantState = Literal["waiting", "running", "stopped", "failed", "done"]
"""running: or killed while it ran; stopped: by the user"""


@dataclass(frozen=True)
class Entry:
    """A variant, and how far it is."""

    variant: Variant
    state: VariantState = "waiting"
    error: str = ""
    result: VariantResult = field(default_factory=VariantResult)

    @property
    def name(self) -> str:
        """Of its file and of its run folder."""
        return self.variant.name


class SweepFolder:
    """Everything about a sweep, kept on the disk."""

    def __init__(
        self, path: Path, name: str, entries: Sequence[Entry], extra: SettingValues
    ) -> None:
        """`extra` are settings that do not belong to a training, such as the model's."""
        self.path, self.name, self.extra = path, name, extra
        self.entries = list(entries)

    @classmethod
    def create(cls, variants: Sequence[Variant], extra: SettingValues | None = None) -> SweepFolder:
        """A folder of its own in the log directory of the variants. Raises StorageError."""
        config = variants[0].config
        name = config.name
        logs = make_folder(Path(config.output.logging_dir))
        stem = f"{datetime.date.today().isoformat()}-{name}-sweep"
        made = cls(_new_folder(logs, stem), name, list(map(Entry, variants)), extra or {})
        made.write()
        return made

    @classmethod
    def find(cls, resume: str, logging_dir: Path) -> SweepFolder:
        """The folder of a sweep, or "latest" in the log directory. Raises TrainingError when there
        is none, or it cannot be read."""
        if resume != "latest":
            return cls.read(Path(resume))
        records = [logging_dir / name / RECORD for name in names_in(logging_dir)]
        found = [path for path in records if path.is_file()]
        if not found:
            fix = f"check {setting('logging_dir')}, or begin one"
            raise TrainingError(f"there is no sweep in {logging_dir} to resume", "", fix)
        return cls.read(max(found, key=lambda path: path.stat().st_mtime).parent)

    @classmethod
    def read(cls, path: Path) -> SweepFolder:
        """What `write` wrote. Raises TrainingError when it is not there or damaged."""
        if not (path / RECORD).is_file():
            what = f"{path} is not the folder of a sweep"
            raise TrainingError(what, f"it has no {RECORD}", "give the folder that contains it")
        try:
            return _read(path, read_sealed_json(path / RECORD))
        except (TIError, KeyError, TypeError, ValueError) as error:
            why = f"{error.what}: {error.why}" if isinstance(error, FileError) else str(error)
            raise TrainingError(f"cannot read the sweep {path}", why, "begin another") from error

    def write(self) -> None:
        """As it is now. Raises StorageError."""
        base = self.entries[0].variant.config
        values = {
            "name": self.name,
            "train": to_dict(base),
            "extra": self.extra,
            "variants": [_told(entry, flat(base)) for entry in self.entries],
        }
        write_sealed_json(self.path / RECORD, values)

    def change(self, number: int, **changes: Any) -> Entry:
        """Note something new about the entry `number`, from 0. Raises StorageError."""
        self.entries[number] = replace(self.entries[number], **changes)
        self.write()
        return self.entries[number]

    def run_of(self, entry: Entry) -> RunFolder:
        """The run folder of a variant, which may not be there yet."""
        return RunFolder(self.path / entry.name)

    @property
    def page(self) -> Path:
        """The comparison."""
        return self.path / PAGE


def _new_folder(logs: Path, stem: str) -> Path:
    for number in range(1, 10_000):
        path = logs / (stem if number == 1 else f"{stem}-{number}")
        with storage_errors(path), contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    what = f"{logs} contains too many sweeps of this name"
    raise StorageError(what, "", f"choose another {setting('logging_dir')}")


def _told(entry: Entry, base: SettingValues) -> SettingValues:
    """A variant by what is not as in the first one."""
    settings = {k: v for k, v in flat(entry.variant.config).items() if v != base[k]}
    return {
        "name": entry.name,
        "differs": sorted(entry.variant.settings),
        "settings": settings,
        "state": entry.state,
        "error": entry.error,
        "result": asdict(entry.result),
    }


def _read(path: Path, values: Mapping[str, Any]) -> SweepFolder:
    """Raises TIError, KeyError, TypeError, ValueError for what was not written here."""
    base, told = dict(values["train"]), values["variants"]
    known = (kind for kind in LEARNABLES if {item.name for item in fields(kind)} >= base.keys())
    kind = next(known, None)
    if kind is None or not isinstance(told, list) or not told:
        raise ValueError("it does not describe trainings of this version")
    entries = [_entry(one, kind, base) for one in told]
    return SweepFolder(path, checked_name(values["name"]), entries, dict(values["extra"]))


def _entry(told: Mapping[str, Any], kind: type[BaseTrainConfig], base: SettingValues) -> Entry:
    config = make_config(kind, dict(told["settings"]), base)
    values = flat(config)
    variant = Variant(config, {name: values[name] for name in told["differs"]})
    if told["state"] not in get_args(VariantState) or told["name"] != variant.name:
        raise ValueError(f"a variant is {told['name']!r:.100}, {told['state']!r:.100}")
    return Entry(variant, told["state"], str(told["error"]), VariantResult.read(told["result"]))
