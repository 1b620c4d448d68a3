"""The folder that a run leaves behind: settings, events, loss, copies, previews, state.

<log directory>/<YYYY-MM-DD>/<name>[-2, -3 …]/
    settings.json  events.jsonl  loss.png  results.json  pictures.json  lock
    textual_inversion_loss.csv             of a hypernetwork: hypernetwork_loss.csv
    validation_loss.csv  strength.csv  strength.png
    embeddings/<name>-000500.safetensors   exactly 500 updates
    embeddings/<name>-best.safetensors     the lowest validation loss so far
    images/<name>-000500.png
    image_embeddings/<name>-000500.png     the same image with the embedding inside
    state/state-000500.safetensors
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import FileError, StorageError, TrainingError, setting
from ..events import Event, Notice
from ..files.atomic import make_folder, names_in, storage_errors, unfinished, write_bytes
from ..files.regular_file import open_regular
from ..files.seal import SEAL, read_sealed_json, write_sealed_json
from ..options import SettingValues
from .events import Measures, StepDone
from .standing import Standing
from .validations import Found

CSV_NAME = "textual_inversion_loss.csv"
CSV_COLUMNS = ("step", "epoch", "epoch_step", "loss", "learn_rate")
VALIDATION_CSV = "validation_loss.csv"
VALIDATION_COLUMNS = ("step", "loss", "held_out_loss")
_MOST_LOG_BYTES = 2**30
"""Some five million steps."""
_LONGEST_LINE = 2**20
_TAIL_BYTES = 2**16
"""The last event is not longer."""
STRENGTH_CSV = "strength.csv"
_MADE_AGAIN = ("StepDone", "Validated", "Measured")
OnNotice = Callable[[Notice], None]
_NONE_TO_RESUME = f"check {setting('logging_dir')}, or begin a new run"
_PREVIEW = re.compile(r".+-([0-9]{6,15})\.png", re.DOTALL)
"""Name of a step's first preview."""


class RunFolder:
    """Paths and logs of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, logging_dir: Path, name: str) -> RunFolder:
        """A folder of its own for a new run, whatever other runs did today."""
        day = make_folder(logging_dir / datetime.date.today().isoformat())
        for number in range(1, 10_000):
            path = day / (name if number == 1 else f"{name}-{number}")
            with storage_errors(path), contextlib.suppress(FileExistsError):
                path.mkdir()
                return cls(path)
        what = f"{day} contains too many runs of {name}"
        raise StorageError(what, "", f"choose another {setting('logging_dir')}")

    @classmethod
    def find(
        cls,
        resume: str,
        logging_dir: Path,
        name: str = "",
        group: str = "embedding",
        on_notice: OnNotice = lambda notice: None,
    ) -> RunFolder:
        """The run to resume: a run folder, or "latest" of this name in the log directory, among
        those that have the `group` of settings of a learnable.

        Newer runs whose settings are damaged, of whatever name, are told to `on_notice`.
        Raises TrainingError when there is none.
        """
        if resume == "latest":
            return cls._latest(logging_dir, name, group, on_notice)
        folder = cls(Path(resume))
        if not folder.settings_path.is_file():
            raise TrainingError(
                f"{folder.path} is not a run folder", "it has no settings.json", _advice(folder)
            )
        return folder

    @classmethod
    def _latest(cls, logging_dir: Path, name: str, group: str, on_notice: OnNotice) -> RunFolder:
        wrecks: list[tuple[RunFolder, TrainingError]] = []
        found = [run for run, _ in cls.all_of(logging_dir, name, group, wrecks)]
        newest = max(found, key=cls._begun, default=None)
        newer = [one for one in wrecks if newest is None or one[0]._begun() > newest._begun()]
        if newest is None:
            why = "; ".join(error.what for _, error in newer)
            what = f"no run of {name or 'any name'} in {logging_dir} to resume"
            raise TrainingError(what, why, newer[0][1].fix if newer else _NONE_TO_RESUME)
        for folder, error in newer:
            what = f"the newer run {folder.path} is skipped"
            on_notice(Notice("warning", what, error.why, error.fix))
        return newest

    @classmethod
    def all_of(
        cls,
        logging_dir: Path,
        name: str = "",
        group: str = "embedding",
        wrecks: list[tuple[RunFolder, TrainingError]] | None = None,
    ) -> Iterator[tuple[RunFolder, SettingValues]]:
        """The runs of this name ("" for any) in the log directory, each with its settings; see
        `find`. One whose settings cannot be read does not hide the others; such runs, of whatever
        name, are added to `wrecks`."""
        days = [logging_dir / day for day in names_in(logging_dir)]
        for path in [day / name for day in days if day.is_dir() for name in names_in(day)]:
            folder = cls(path)
            try:
                settings = folder.read_settings()
            except TrainingError as error:
                if wrecks is not None and folder.settings_path.is_file():
                    wrecks.append((folder, error))
                continue
            if _learns(settings, group, name):
                yield folder, settings

    @property
    def settings_path(self) -> Path:
        """The file that makes a folder one of a run."""
        return self.path / "settings.json"

    @property
    def place(self) -> str:
        """Day and folder, which tell it from the other runs of a log directory."""
        return f"{self.path.parent.name}/{self.path.name}"

    def _begun(self) -> float:
        """When it was begun or resumed last, in seconds since 1970."""
        return self.settings_path.stat().st_mtime

    @property
    def state(self) -> Path:
        """Where states are kept."""
        return self.path / "state"

    @property
    def commands(self) -> Path:
        """The file by which other programs tell the run what to do."""
        return self.path / "control"

    def copy_path(
        self, name: str, step: int, folder: str = "embeddings", suffix: str = ".safetensors"
    ) -> Path:
        """A copy of what is learned after exactly `step` updates."""
        return self.path / folder / f"{name}-{step:06d}{suffix}"

    def best_path(self, name: str, folder: str, suffix: str) -> Path:
        """The copy whose validation loss is the lowest so far."""
        return self.path / folder / f"{name}-best{suffix}"

    def steps_of_copies(self, like: Path) -> list[int]:
        """The steps of which there is a copy beside this one, of its name and kind."""
        name = re.escape(like.stem.rpartition("-")[0])
        wanted = re.compile(f"{name}-([0-9]{{6,15}}){re.escape(like.suffix)}")
        found = map(wanted.fullmatch, names_in(like.parent))
        return sorted(int(match[1]) for match in found if match)

    def image_path(self, name: str, step: int, number: int) -> Path:
        """A preview; the first of a step has no number, as in A1111."""
        suffix = f"-{number}" if number else ""
        return self.path / "images" / f"{name}-{step:06d}{suffix}.png"

    def card_path(self, name: str, step: int) -> Path:
        """A preview that carries the embedding."""
        return self.path / "image_embeddings" / f"{name}-{step:06d}.png"

    def previews(self, until: int = sys.maxsize) -> list[Path]:
        """The first preview of each step (`until` this one) that has one, oldest step first."""
        found = [_PREVIEW.fullmatch(name) for name in names_in(self.path / "images")]
        steps = {match[0]: int(match[1]) for match in found if match}
        names = sorted((n for n, step in steps.items() if step <= until), key=steps.__getitem__)
        return [self.path / "images" / name for name in names]

    def write_settings(self, settings: SettingValues) -> None:
        """Everything needed to start this run again; a folder without it is that of no run."""
        write_sealed_json(self.settings_path, settings)

    def read_settings(self) -> SettingValues:
        """What `write_settings` wrote. Raises TrainingError when it is damaged."""
        try:
            return read_sealed_json(self.settings_path)
        except FileError as error:
            fix = (
                "put it back as it was; other settings are given when the run is resumed. To keep "
                f"what was changed in it by hand, delete its line {SEAL!r}"
            )
            why = f"{error.what}: {error.why}"
            raise TrainingError(f"cannot read the settings of {self.path}", why, fix) from error

    def results(self) -> set[str] | None:
        """SHA-256 of each finished file that this run has written, or was about to write, and of
        what it replaced. None where none was noted, as in version 0.2, or the note is damaged."""
        try:
            found = read_sealed_json(self.path / "results.json")["sha256"]
        except (FileError, KeyError):
            return None
        return {str(digest) for digest in found} if isinstance(found, list) else None

    def write_pictures(self, noted: Mapping[str, Sequence[str]]) -> None:
        """Note what the run learns from. Raises StorageError."""
        write_sealed_json(self.path / "pictures.json", {"pictures": noted})

    def pictures_noted(self) -> dict[str, list[str]] | None:
        """What `write_pictures` wrote; None where it did not, or the note is damaged."""
        try:
            found: Any = read_sealed_json(self.path / "pictures.json")["pictures"]
            return {str(path): [str(file), str(caption)] for path, (file, caption) in found.items()}
        except (FileError, KeyError, AttributeError, TypeError, ValueError):
            return None

    def made(self) -> set[str]:
        """SHA-256 of each finished file that this run has made; empty where none was noted."""
        with contextlib.suppress(FileError, KeyError):
            found = read_sealed_json(self.path / "results.json")["made"]
            return {str(digest) for digest in found} if isinstance(found, list) else set()
        return set()

    def add_results(self, digests: Iterable[str], made: Iterable[str] = ()) -> None:
        """Note finished files, and which of them this run has `made`. Raises StorageError."""
        known, own = {*(self.results() or ()), *digests, *made}, {*self.made(), *made}
        noted = {"sha256": sorted(known), "made": sorted(own)}
        write_sealed_json(self.path / "results.json", noted)

    def record(self, event: Event, csv_every: int = 10, csv_name: str = CSV_NAME) -> None:
        """Append an event to the logs; a step to the CSV file, too, every `csv_every` steps.

        Raises StorageError when that is not possible.
        """
        self._append("events.jsonl", event.to_json() + "\n")
        if isinstance(event, StepDone) and csv_every and event.step % csv_every == 0:
            self._append(csv_name, _csv_line(_csv_row(event)), head=_csv_line(CSV_COLUMNS))

    def write_validations(self, found: Iterable[Found]) -> None:
        """Every validation so far, for spreadsheets; as a whole, since a run that was killed may
        have written less, or more. Raises StorageError."""
        lines = map(_csv_line, (VALIDATION_COLUMNS, *map(_validation_row, found)))
        write_bytes(self.path / VALIDATION_CSV, "".join(lines).encode())

    def write_standings(self, found: Sequence[Standing]) -> None:
        """How strong and how far the vectors were, as a whole like `write_validations`. Raises
        StorageError."""
        names = dict.fromkeys(name for one in found for name, _ in one.columns())
        rows = ((one.step, *_cells(dict(one.columns()), names)) for one in found)
        lines = map(_csv_line, (("step", *names), *rows))
        write_bytes(self.path / STRENGTH_CSV, "".join(lines).encode())

    def _append(self, name: str, text: str, head: str = "") -> None:
        path = self.path / name
        with storage_errors(path), path.open("a", encoding="utf-8", newline="") as file:
            file.write(text if file.tell() else head + text)

    def sweep(self) -> None:
        """Remove the leftovers of killed writes; the holder of the run's lock may do so."""
        folders = [self.path / name for name in names_in(self.path)]
        for folder in (self.path, *filter(Path.is_dir, folders)):
            for name in filter(unfinished, names_in(folder)):
                with contextlib.suppress(OSError):  # it takes some room, and that is all
                    (folder / name).unlink()

    def forget_after(self, step: int, csv_name: str = CSV_NAME) -> None:
        """Drop logged steps that a resume or a fall-back will make again."""
        self._filter("events.jsonl", lambda line: _event_step(line) <= step)
        self._filter(csv_name, lambda line: _csv_step(line) <= step)

    def _filter(self, name: str, keep: Callable[[str], bool]) -> None:
        path = self.path / name
        if path.exists():
            kept = [line for line in _whole_lines(path) if keep(line)]
            write_bytes(path, "".join(f"{line}\n" for line in kept).encode())

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The logged events of a class of this name. Raises StorageError."""
        path = self.path / "events.jsonl"
        events = map(_event_of, _whole_lines(path))
        return [event for event in events if event.get("event") == kind]

    def last_event(self) -> dict[str, Any]:
        """The event that was logged last; empty if there is none."""
        lines = list(_whole_lines(self.path / "events.jsonl", _TAIL_BYTES))
        return _event_of(lines[-1]) if lines else {}

    def losses(self) -> list[tuple[int, float, float]]:
        """(step, loss, rate) of every update made so far."""
        steps = {}
        for event in self.events("StepDone"):
            with contextlib.suppress(KeyError, TypeError, ValueError):  # a line was damaged
                steps[int(event["step"])] = float(event["loss"]), float(event["rate"])
        return [(step, *values) for step, values in sorted(steps.items())]

    def standings(self) -> list[Standing]:
        """How strong and how far the vectors were, oldest first."""
        found = {}
        for event in self.events("Measured"):
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):  # damaged
                step = int(event["step"])
                found[step] = Standing(
                    step, _measures(event["strength"]), _measures(event["drift"])
                )
        return [found[step] for step in sorted(found)]

    def pictures(self) -> list[tuple[Path, int, str]]:
        """(file, step, prompt) of every preview that is still there, oldest first."""
        here: dict[tuple[Path, int, str], None] = {}
        for event in self.events("PreviewReady"):
            with contextlib.suppress(KeyError, TypeError, ValueError):  # a line was damaged
                name, step, prompt = event["path"], int(event["step"]), str(event["prompt"])
                here[self.path / "images" / Path(name).name, step, prompt] = None
        return [told for told in here if told[0].is_file()]


def _whole_lines(path: Path, tail: int = 0) -> Iterator[str]:
    """Those of a file, or of its last bytes; none if it is not there.

    A line without its end was being written when the power went. Only \\n ends a line: a prompt
    may hold the other signs that `str.splitlines` takes for one.
    """
    if not path.exists():
        return
    with storage_errors(path), open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size > _MOST_LOG_BYTES:
            raise FileError(f"cannot read {path}", f"it has more than {_MOST_LOG_BYTES:,} bytes")
        file.seek(max(0, size - tail) if tail else 0)
        while (line := file.readline(_LONGEST_LINE)).endswith(b"\n"):
            yield line[:-1].decode(errors="replace")


def _advice(folder: RunFolder) -> str:
    """What to give instead of a folder that is not that of a run."""
    found = [path for depth in ("*", "*/*") for path in folder.path.glob(f"{depth}/settings.json")]
    if not found:
        return _NONE_TO_RESUME
    newest = max(found, key=lambda path: path.stat().st_mtime).parent
    return f"it contains {len(found)} of them: name one, such as {newest}"


def _learns(settings: SettingValues, group: str, name: str) -> bool:
    groups = settings.get("train")
    values = groups.get(group) if isinstance(groups, dict) else None
    if not isinstance(values, dict) or (values and not any(values.values())):
        return False  # "several" is empty where there is one word
    # version 0.1, which learned embeddings only, had no "name"
    return name in ("", settings.get("name") or values.get("token_string"))


def _csv_row(event: StepDone) -> tuple[object, ...]:
    """A1111's columns and number formats."""
    return (event.step, event.epoch, event.epoch_step, f"{event.loss:.7f}", event.rate)


def _measures(found: Mapping[str, Sequence[float]]) -> Measures:
    return {str(key): [float(number) for number in numbers] for key, numbers in found.items()}


def _cells(one: Mapping[str, float], names: Iterable[str]) -> Iterator[str]:
    return (f"{one[name]:.6f}" if name in one else "" for name in names)


def _validation_row(found: Found) -> tuple[object, ...]:
    held_out = "" if found.held_out is None else f"{found.held_out:.7f}"
    return (found.step, f"{found.loss:.7f}", held_out)


def _csv_line(row: tuple[object, ...]) -> str:
    return ",".join(map(str, row)) + "\n"


def _csv_step(line: str) -> int:
    first = line.split(",", 1)[0]
    return int(first) if first.isdigit() else 0


def _event_step(line: str) -> int:
    """Only steps and validations are made again; notices and the like stay. A line that is not an
    event goes."""
    event = _event_of(line)
    try:
        return int(event["step"]) if event["event"] in _MADE_AGAIN else 0
    except (ValueError, KeyError, TypeError):
        return sys.maxsize


def _event_of(line: str) -> dict[str, Any]:
    """An event; empty for a line that is none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}
