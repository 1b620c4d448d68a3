"""Several processes make the run that one would make, and end together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ti_core.errors import ConfigError
from ti_core.files.reading import read_embedding
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.train.group import Group, started_processes
from ti_core.train.processes import Processes
from ti_core.train.share import require_shares

from ..conftest import Configure

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "tests/train/ranked.py")
PATIENCE = 120.0
"""Seconds; nothing here takes a tenth of it on an idle machine."""


def arguments(folder: Path, **changes: object) -> list[str]:
    """A run of 12 steps of 5 pictures, some of them with more prompts than one chunk holds."""
    given = {
        "token_string": "zz-thing",
        "init_word": "tree",
        "train_data_dir": folder / "pictures",
        "train_batch_size": 4,
        "max_train_steps": 12,
        "sample_every_n_steps": 0,
        "save_every_n_steps": 0,
        "save_state_every_n_steps": 5,
        "validate_every_n_steps": 4,
        **changes,
    }
    return ["train", "--skip_checkup", *(f"--{name}={value}" for name, value in given.items())]


@pytest.fixture(scope="module")
def forks() -> Iterator[subprocess.Popen[str]]:
    """A process that forks others, in which everything is imported already."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


class Ranks:
    """The processes of a run, started as a launcher does."""

    def __init__(self, folder: Path, forks: subprocess.Popen[str]) -> None:
        self.folder, self._forks = folder, forks
        self.all, self.logs, self.said = list[int](), list[Path](), list[str]()

    def start(self, argv: Sequence[str], size: int = 2, fault: str = "") -> None:
        self.start_each([argv] * size, fault)

    def start_each(self, lines: Sequence[Sequence[str]], fault: str = "") -> None:
        size = len(lines)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank, argv in enumerate(lines):
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
            self._start(argv, {**place, "MASTER_ADDR": "127.0.0.1", "RANKED_FAULT": fault})

    def alone(self, argv: Sequence[str]) -> None:
        self._start(argv, {})
        assert self.codes() == [0], self.said

    def _start(self, argv: Sequence[str], place: Mapping[str, object]) -> None:
        log = self.folder / f"said-{time.monotonic_ns()}"
        log.touch()
        env = {name: str(value) for name, value in place.items()}
        asked = {"argv": argv, "cwd": str(self.folder), "env": env, "log": str(log)}
        self.all.append(self._answer(asked))
        self.logs.append(log)

    def _answer(self, asked: object) -> int:
        assert self._forks.stdin
        assert self._forks.stdout
        self._forks.stdin.write(json.dumps(asked) + "\n")
        self._forks.stdin.flush()
        return int(self._forks.stdout.readline())

    def codes(self) -> list[int]:
        """Those that all of them ended with; -9 for one that did not in time."""
        watch = threading.Timer(PATIENCE, self.kill)
        watch.start()
        codes = [self._answer(process) for process in self.all]
        watch.cancel()
        self.said = [log.read_text() for log in self.logs]
        self.all.clear()
        self.logs.clear()
        return codes

    def signal(self, number: int) -> None:
        for process in self.all:
            os.kill(process, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def wait_for(self, text: str) -> None:
        """Until it is in the log of the run."""
        until = time.monotonic() + PATIENCE
        while not any(text in log.read_text() for log in self.folder.rglob("events.jsonl")):
            assert time.monotonic() < until
            time.sleep(0.02)

    def vectors(self, name: str = "zz-thing") -> Tensor:
        path = self.folder / f"embeddings/{name}.safetensors"
        return read_embedding(path).vectors["emb_params"]


@pytest.fixture
def ranks(tmp_path: Path, pictures: Path, forks: subprocess.Popen[str]) -> Iterator[Ranks]:
    (pictures / "00001-0-a green disc.txt").write_text("a green disc " * 40)
    made = Ranks(tmp_path, forks)
    yield made
    made.kill()
    made.codes()


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (2, {}),
        (3, {"train_batch_size": 2, "gradient_accumulation_steps": 2, "optimizer_type": "AdamW"}),
        (2, {"train_batch_size": 3, "ema_decay": 0.9, "num_vectors": 2}),
        (2, {"init_trial_steps": 2}),
    ],
)
def test_several_processes_make_the_file_that_one_makes(
    ranks: Ranks, tmp_path: Path, size: int, changes: dict[str, object]
) -> None:
    argv = arguments(tmp_path, **changes)
    ranks.alone([*argv, "--output_name=alone"])
    ranks.start(argv, size)
    assert ranks.codes() == [0] * size, ranks.said
    assert torch.allclose(ranks.vectors(), ranks.vectors("alone"), rtol=0, atol=1e-6)
    # the first process alone has said something, and written
    assert [bool(said) for said in ranks.said] == [True, *[False] * (size - 1)]
    assert len(list(tmp_path.glob("textual_inversion/*/*"))) == 2


def test_hypernetworks_share_the_passes_of_an_update(ranks: Ranks, tmp_path: Path) -> None:
    changes = {"train_batch_size": 2, "gradient_accumulation_steps": 2}
    argv = arguments(tmp_path, **changes)[1:]
    argv = [arg for arg in argv if not arg.startswith(("--token_string", "--init_word"))]
    argv = [
        "hypernetwork",
        "train",
        "--name=warm",
        "--enable_sizes=12",
        "--use_dropout",
        "--dropout_structure=0,0.3,0",
        "--learning_rate=0.001",
        *argv,
    ]
    ranks.alone([*argv, "--output_name=alone"])
    ranks.start(argv)
    assert ranks.codes() == [0, 0], ranks.said
    one, two = (
        read_hypernetwork(tmp_path / f"hypernetworks/{name}.pt").tensors
        for name in ("alone", "warm")
    )
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], rtol=0, atol=1e-6), name


@pytest.mark.parametrize(("lost", "resumed_by"), [(0, 3), (1, 1)])
def test_a_killed_process_ends_all_and_the_run_is_resumed_by_any_number(
    ranks: Ranks, tmp_path: Path, lost: int, resumed_by: int
) -> None:
    argv = arguments(tmp_path)
    ranks.alone([*argv, "--output_name=alone"])
    ranks.start(argv, fault=f"{lost} kill 9")
    codes = ranks.codes()
    assert codes[lost] == -signal.SIGKILL
    assert codes[1 - lost] == 1
    assert "another process of the run is gone" in ranks.said[1 - lost]
    assert not (tmp_path / "embeddings/zz-thing.safetensors").exists()
    run = str(next(tmp_path.glob("textual_inversion/*/zz-thing")))
    if resumed_by == 1:
        ranks.alone(["train", "--resume", run])
    else:
        ranks.start(["train", "--resume", run], resumed_by)
        assert ranks.codes() == [0] * resumed_by, ranks.said
    assert torch.allclose(ranks.vectors(), ranks.vectors("alone"), rtol=0, atol=1e-6)


def test_a_process_that_runs_out_of_memory_takes_all_a_rung_down(
    ranks: Ranks, tmp_path: Path
) -> None:
    argv = arguments(tmp_path)
    ranks.alone([*argv, "--output_name=alone"])
    ranks.start(argv, fault="1 memory 6")
    assert ranks.codes() == [0, 0], ranks.said
    assert "which is repeated" in ranks.said[0]
    assert torch.allclose(ranks.vectors(), ranks.vectors("alone"), rtol=0, atol=1e-6)


def test_a_signal_to_all_of_them_saves_and_ends(ranks: Ranks, tmp_path: Path) -> None:
    ranks.start(arguments(tmp_path, max_train_steps=400), fault="1 slow 1")
    ranks.wait_for('"StepDone"')
    ranks.signal(signal.SIGTERM)
    assert ranks.codes() == [143, 0], ranks.said
    assert "stopped at step" in ranks.said[0]
    assert (tmp_path / "embeddings/zz-thing.safetensors").exists()


def test_processes_with_other_settings_do_not_train(ranks: Ranks, tmp_path: Path) -> None:
    ranks.start_each([arguments(tmp_path, seed=seed) for seed in (1, 2)])
    assert ranks.codes() == [1, 0]
    assert "the processes do not train the same: process 1 has other settings" in ranks.said[0]


def test_an_error_of_the_settings_ends_all_of_them(ranks: Ranks, tmp_path: Path) -> None:
    ranks.start(arguments(tmp_path, train_data_dir="nowhere"))
    assert 0 not in ranks.codes()
    assert "nowhere" in ranks.said[0]


def test_torchrun_starts_and_ends_them(ranks: Ranks, tmp_path: Path) -> None:
    argv = arguments(tmp_path)
    ranks.alone([*argv, "--output_name=alone"])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    place = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, "--standalone", SCRIPT, "ti", *argv],
        cwd=tmp_path,
        env=place,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("finished at step 12") == 1
    assert torch.allclose(ranks.vectors(), ranks.vectors("alone"), rtol=0, atol=1e-6)


def test_every_process_needs_a_share(configure: Configure) -> None:
    require_shares(configure(train_batch_size=2, gradient_accumulation_steps=2), 4)
    with pytest.raises(ConfigError, match="3 processes cannot share an update of 2"):
        require_shares(configure(train_batch_size=2), 3)


def test_each_picture_of_an_update_is_one_process_s() -> None:
    store = torch.distributed.HashStore()  # type: ignore[attr-defined]
    all_ = [Processes(store, rank, 3, torch.device("cpu")) for rank in range(3)]
    for number, first, count in ((0, 0, 4), (1, 4, 1), (2, 5, 3)):
        dealt = [rows for one in all_ if (rows := one.rows(number, first, count)) is not None]
        assert sorted(torch.cat(dealt).tolist()) == list(range(count))
        assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    assert Group().rows(0, 0, 4) is None


def test_a_launcher_is_known_by_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert started_processes() == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert started_processes() == 1  # some clusters set it for other ends
    monkeypatch.setenv("RANK", "1")
    assert started_processes() == 2
