"""Whichever file operation of a run fails or is the last, the same command gives the same bytes.

A sample of them is tried; `-m slow` tries each.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ti_core.data.latent_cache import remembered
from ti_core.errors import TIError
from ti_core.events import Event, Notice
from ti_core.hosts.fake import FakeHost
from ti_core.options import from_dict
from ti_core.train.config import BaseTrainConfig
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import list_states

from ..conftest import Configure
from . import hypernetwork_runs
from .faults import Faults, Mode
from .spoiled import Log

_COPIES = ("embeddings/*2.safetensors", "embeddings/*-best.safetensors")
LOGS = ("textual_inversion_loss.csv", "validation_loss.csv")
TABLES = (*LOGS, "hypernetwork_loss.csv", "strength.csv", "loss.png", "strength.png")


class Place:
    """A short run with everything that a run of its kind writes, in folders that can be emptied."""

    def __init__(
        self,
        config: BaseTrainConfig,
        folders: tuple[Path, ...],
        group: str,
        copies: tuple[str, ...],
    ) -> None:
        """`folders` are those of logs, of finished files, and others that it writes into; `copies`
        are where copies are in a run folder; `group` is that of the settings."""
        self.config, self.folders, self.group, self.copies = config, folders, group, copies
        self.expected = 0

    def clear(self) -> None:
        """As before the run."""
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def run(self, listener: Callable[[Event], None] = lambda event: None) -> None:
        """The command, again with `--resume latest` where there is a run."""
        log = Path(self.config.output.logging_dir)
        if not list(self._runs()):
            train(self.config, FakeHost(), listener)
            return
        folder = RunFolder.find("latest", log, self.config.name, self.group)
        config = from_dict(type(self.config), folder.read_settings()["train"])
        train(config, FakeHost(), listener, resume=folder)

    def _runs(self) -> Iterator[RunFolder]:
        found = RunFolder.all_of(self.folders[0], self.config.name, self.group)
        return (folder for folder, _ in found)

    def made(self) -> dict[str, bytes | list[int]]:
        """All that counts of what lies there now."""
        (folder,) = self._runs()
        paths = [
            *self.folders[1].glob("[!.]*"),
            *(path for pattern in self.copies for path in folder.path.glob(pattern)),
            *folder.path.glob("images/[!.]*"),
            *filter(Path.is_file, (folder.path / name for name in TABLES)),
            *list_states(folder.state)[-1:],
        ]
        left = [path for path in folder.path.rglob(".*") if path.is_file()]
        assert not left, "what a killed write has left is removed"
        found: dict[str, bytes | list[int]] = {
            str(
                path.relative_to(folder.path if folder.path in path.parents else path.parents[1])
            ): path.read_bytes()
            for path in paths
        }
        return found | {"steps": [step for step, _, _ in folder.losses()]}

    def digest(self) -> str:
        """Of everything that lies there."""
        told = hashlib.sha256()
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                told.update(repr(path).encode() + (path.read_bytes() if path.is_file() else b""))
        return told.hexdigest()


def of_embedding(configure: Configure, root: Path) -> Place:
    """Three steps with previews, and latents that are kept on the disk."""
    config = configure(
        max_train_steps=3,
        save_state_every_n_steps=1,
        save_every_n_steps=2,
        sample_every_n_steps=2,
        sample_at_first=False,
        sample_steps=1,
        loss_csv_every=1,
        validate_every_n_steps=1,
        cache_latents_to_disk=True,
        latent_cache_dir=str(root / "cache"),
    )
    folders = tuple(root / name for name in ("log", "embeddings", "cache"))
    return Place(config, folders, "embedding", _COPIES)


def of_hypernetwork(configure: Configure, root: Path) -> Place:
    """Two steps, and the optimiser's memory for A1111; the rest is as for embeddings."""
    settings = {
        "max_train_steps": 2,
        "save_state_every_n_steps": 1,
        "save_every_n_steps": 2,
        "loss_csv_every": 1,
        "save_optimizer_state": True,
    }
    config = hypernetwork_runs.config(root, root / "pictures", **settings)
    folders = (root / "log", root / "hypernetworks")
    return Place(config, folders, "hypernetwork", ("hypernetworks/*2.pt",))


EVERY = [23, pytest.param(1, marks=pytest.mark.slow)]
"""One operation in so many is tried: a prime number, so that it meets each kind."""

PLACES = {of_embedding: 3 + 1 + 1 + 1 + 5 + 1 + 1, of_hypernetwork: 2 + 1 + 2 + 1 + 1}
"""How a run is made → how many things are left by it that count."""


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, configure: Configure, tmp_path: Path) -> Place:
    """Where nothing was made yet; two pictures are enough."""
    for path in sorted((tmp_path / "pictures").iterdir())[2:]:
        path.unlink()
    made: Place = request.param(configure, tmp_path)
    made.expected = PLACES[request.param]
    return made


@pytest.fixture
def whole(place: Place) -> dict[str, bytes | list[int]]:
    """What a run makes in one go."""
    place.run()
    found = place.made()
    assert len(found) == place.expected, sorted(found)
    place.clear()
    return found


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is there: to wait for the disk takes most of the time. And pictures that
    have just been drawn are remembered at once, so that each run does the same."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(remembered, "_CLOCK_NS", -(10**12))


def operations(place: Place) -> list[tuple[str, str, bool]]:
    """(operation, path, whether anything on the disk has changed since the one before)"""
    faults = Faults(place.folders, look=place.digest)
    with faults.at_work():
        place.run()
    place.clear()
    looks = ["", *(look for _, _, look in faults.seen)]
    return [
        (name, path, look != before)
        for (name, path, look), before in zip(faults.seen, looks, strict=False)
    ]


@pytest.mark.parametrize("place", [of_embedding], indirect=True)
def test_every_kind_of_file_is_among_what_is_tried(place: Place) -> None:
    """And the system's own audit knows of no more than we count."""
    seen = operations(place)
    names = {path.rsplit("/", 1)[-1].lstrip(".") for _, path, _ in seen}
    for kind in (
        *("settings.json", "events.jsonl", *LOGS, "loss.png", "lock"),
        *("results.json", "state-000002.safetensors", "zz-thing-000002.safetensors"),
        "zz-thing-best.safetensors",
        *("zz-thing-000002.png", "zz-thing.safetensors", "zz-thing.json", "zz-thing.preview.png"),
    ):
        assert any(name.startswith(kind) for name in names), kind
    assert {name for name, _, _ in seen} >= {
        *("open", "read", "write", "close", "fsync", "mkdir", "replace", "link", "unlink"),
        *("listdir", "scandir", "chmod", "utime"),
    }


@pytest.mark.parametrize("place", [of_hypernetwork], indirect=True)
def test_every_kind_of_file_of_a_hypernetwork_is_among_what_is_tried(place: Place) -> None:
    names = {path.rsplit("/", 1)[-1].lstrip(".") for _, path, _ in operations(place)}
    for kind in ("settings.json", "state-000002", "warm-000002.pt", "warm.pt", "warm.pt.optim"):
        assert any(name.startswith(kind) for name in names), kind


def fails(place: Place, at: int, mode: Mode) -> tuple[bool, list[str]]:
    """Run with a fault. (whether it was an error, the warnings)"""
    log = Log()
    with Faults(place.folders, mode, at).at_work():
        try:
            place.run(log)
        except TIError:
            return True, []
    return False, [str(notice) for notice in log.of(Notice)]


def dies(place: Place, at: int) -> None:
    """Run in a process of its own, which ends within an operation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has no other threads that would be missed
        child = os.fork()
    if child == 0:
        with Faults(place.folders, "kill", at).at_work():
            place.run()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def differences(place: Place, whole: dict[str, bytes | list[int]]) -> list[str]:
    """What is not as in one go, after the command again."""
    place.run()
    once = place.made()
    return sorted(name for name in {*once, *whole} if once.get(name) != whole.get(name))


@pytest.mark.parametrize("every", EVERY)
def test_any_failing_operation_costs_nothing(
    place: Place, whole: dict[str, bytes | list[int]], every: int
) -> None:
    wrong, seen = {}, operations(place)
    for number, (name, path, _) in list(enumerate(seen))[::every]:
        was_error, warned = fails(place, number, "fail")
        found = differences(place, whole)
        if any("preview" in text for text in warned):  # told, and training went on
            found = [name for name in found if not name.endswith(".png")]
        if found:
            wrong[f"{number} {name} {path}"] = (was_error, warned, found)
        place.clear()
    assert not wrong, "\n".join(f"{key}: {value}" for key, value in wrong.items())


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("kill", marks=pytest.mark.skipif(os.name == "nt", reason="there is no fork")),
        "fail from then on",
    ],
)
def test_any_operation_may_be_the_last(
    place: Place, whole: dict[str, bytes | list[int]], mode: Mode, every: int
) -> None:
    wrong = {}
    # where the disk is as it was at the one before, nothing else can come of it
    counts = [
        (number, name, path)
        for number, (name, path, changed) in enumerate(operations(place))
        if changed or name == "write"
    ]
    for number, name, path in counts[::every]:
        if mode == "kill":
            dies(place, number)
        else:
            fails(place, number, mode)
        found = differences(place, whole)
        if found:
            wrong[f"{number} {name} {path}"] = found
        place.clear()
    assert not wrong, "\n".join(f"{key}: {value}" for key, value in wrong.items())
