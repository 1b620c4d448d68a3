"""The folder that a run leaves behind: settings, events, loss, copies, previews, state.

<log directory>/<YYYY-MM-DD>/<name>[-2, -3 …]/
    settings.json  events.jsonl  textual_inversion_loss.csv  loss.png
    embeddings/<name>-000500.safetensors   exactly 500 updates
    images/<name>-000500.png
    state/state-000500.safetensors
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import FileError, StorageError, TrainingError
from ..events import Event
from ..files.atomic import make_folder, storage_error, write_bytes
from ..files.regular_file import read_bytes
from ..files.text_file import read_json
from ..options import SettingValues
from .events import StepDone

CSV_NAME = "textual_inversion_loss.csv"
CSV_COLUMNS = ("step", "epoch", "epoch_step", "loss", "learn_rate")
_PREVIEW = re.compile(r".+-([0-9]{6,})", re.DOTALL)
"""Stem of a step's first preview."""
_MOST_LOG_BYTES = 2**30
"""Some five million steps."""


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
            try:
                path.mkdir()
                return cls(path)
            except FileExistsError:
                continue
            except OSError as error:
                raise storage_error(path, error) from error
        raise StorageError(f"{day} holds too many runs of {name}")

    @classmethod
    def find(
        cls, resume: str, logging_dir: Path, name: str = "", group: str = "embedding"
    ) -> RunFolder:
        """The run to resume: a run folder, or "latest" of this name in the log directory, among
        those that have the `group` of settings of a learnable.

        Raises TrainingError when there is none.
        """
        if resume != "latest":
            folder = Path(resume)
        else:
            found = [run.path for run, _ in cls.all_of(logging_dir, name, group)]
            if not found:
                raise TrainingError(f"no run of {name or 'any name'} in {logging_dir} to resume")
            folder = max(found, key=lambda p: (p / "settings.json").stat().st_mtime)
        if not (folder / "settings.json").is_file():
            raise TrainingError(f"{folder} is no run folder", "it has no settings.json")
        return cls(folder)

    @classmethod
    def all_of(
        cls, logging_dir: Path, name: str = "", group: str = "embedding"
    ) -> Iterator[tuple[RunFolder, SettingValues]]:
        """The runs of this name ("" for any) in the log directory, each with its settings; see
        `find`. An old wreck, whose settings cannot be read, does not hide the others."""
        for path in sorted(logging_dir.glob("*/*/settings.json")):
            folder = cls(path.parent)
            with contextlib.suppress(TrainingError):
                settings = folder.read_settings()
                if _learns(settings, group, name):
                    yield folder, settings

    @property
    def state(self) -> Path:
        """Where states are kept."""
        return self.path / "state"

    def copy_path(
        self, name: str, step: int, folder: str = "embeddings", suffix: str = ".safetensors"
    ) -> Path:
        """A copy of what is learned after exactly `step` updates."""
        return self.path / folder / f"{name}-{step:06d}{suffix}"

    def image_path(self, name: str, step: int, number: int) -> Path:
        """A preview; the first of a step has no number, as in A1111."""
        suffix = f"-{number}" if number else ""
        return self.path / "images" / f"{name}-{step:06d}{suffix}.png"

    def previews(self) -> list[Path]:
        """The first preview of each step that has one, oldest step first."""
        found = {path: _PREVIEW.fullmatch(path.stem) for path in self.path.glob("images/*.png")}
        steps = {path: int(match[1]) for path, match in found.items() if match}
        return sorted(steps, key=steps.__getitem__)

    def write_settings(self, settings: SettingValues) -> None:
        """Everything needed to start this run again; a path that is not UTF-8 is spelled out."""
        text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
        write_bytes(self.path / "settings.json", text.encode("utf-8", "backslashreplace"))

    def read_settings(self) -> SettingValues:
        """What `write_settings` wrote. Raises TrainingError when it is damaged."""
        try:
            settings = read_json(self.path / "settings.json")
        except FileError as error:
            raise TrainingError(error.what, error.why, error.fix) from error
        if not isinstance(settings, dict):
            raise TrainingError(f"cannot read {self.path / 'settings.json'}", "it is not an object")
        return settings

    def record(self, event: Event, csv_every: int = 10) -> None:
        """Append an event to the logs; a step to the CSV file, too, every `csv_every` steps.

        Raises StorageError when that is not possible.
        """
        self._append("events.jsonl", event.to_json() + "\n")
        if isinstance(event, StepDone) and csv_every and event.step % csv_every == 0:
            head = "" if (self.path / CSV_NAME).exists() else _csv_line(CSV_COLUMNS)
            self._append(CSV_NAME, head + _csv_line(_csv_row(event)))

    def _append(self, name: str, text: str) -> None:
        path = self.path / name
        try:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            raise storage_error(path, error) from error

    def forget_after(self, step: int) -> None:
        """Drop logged steps that a resume or a fall-back will make again."""
        self._filter("events.jsonl", lambda line: _event_step(line) <= step)
        self._filter(CSV_NAME, lambda line: _csv_step(line) <= step)

    def _filter(self, name: str, keep: Callable[[str], bool]) -> None:
        path = self.path / name
        if path.exists():
            kept = [line for line in _whole_lines(path) if keep(line)]
            write_bytes(path, "".join(f"{line}\n" for line in kept).encode())

    def losses(self) -> list[tuple[int, float, float]]:
        """(step, loss, rate) of every update made so far."""
        steps = {e["step"]: (e["loss"], e["rate"]) for e in self._told("StepDone")}
        return [(step, *values) for step, values in sorted(steps.items())]

    def pictures(self) -> list[tuple[Path, int, str]]:
        """(file, step, prompt) of every preview that is still there, oldest first."""
        found = [(Path(e["path"]).name, e["step"], e["prompt"]) for e in self._told("PreviewReady")]
        here = [(self.path / "images" / name, step, prompt) for name, step, prompt in found]
        return [told for told in dict.fromkeys(here) if told[0].is_file()]

    def _told(self, kind: str) -> Iterator[SettingValues]:
        """The events of a kind, as they were logged."""
        path = self.path / "events.jsonl"
        for line in _whole_lines(path) if path.exists() else ():
            with contextlib.suppress(ValueError):  # a damaged line
                event = json.loads(line)
                if isinstance(event, dict) and event.get("event") == kind:
                    yield event


def _whole_lines(path: Path) -> list[str]:
    """A line without its end was being written when the power went. Only \\n ends a line:
    a prompt may hold the other signs that `str.splitlines` takes for one."""
    return [
        line.decode(errors="replace")
        for line in read_bytes(path, _MOST_LOG_BYTES).split(b"\n")[:-1]
    ]


def _learns(settings: SettingValues, group: str, name: str) -> bool:
    groups = settings.get("train")
    values = groups.get(group) if isinstance(groups, dict) else None
    if not isinstance(values, dict):
        return False
    # version 0.1, which learned embeddings only, had no "name"
    return name in ("", settings.get("name") or values.get("token_string"))


def _csv_row(event: StepDone) -> tuple[object, ...]:
    """A1111's columns and number formats."""
    return (event.step, event.epoch, event.epoch_step, f"{event.loss:.7f}", event.rate)


def _csv_line(row: tuple[object, ...]) -> str:
    return ",".join(map(str, row)) + "\n"


def _csv_step(line: str) -> int:
    first = line.split(",", 1)[0]
    return int(first) if first.isdigit() else 0


def _event_step(line: str) -> int:
    """Only steps are made again; notices and the like stay. A line that is no event goes."""
    try:
        event = json.loads(line)
        return int(event["step"]) if event["event"] == "StepDone" else 0
    except (ValueError, KeyError, TypeError):
        return sys.maxsize
