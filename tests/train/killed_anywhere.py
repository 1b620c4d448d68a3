"""A training that is killed at random moments, with one optimiser; run by test_killed_anywhere.

    python -m tests.train.killed_anywhere OPTIMIZER ROUNDS FOLDER

It prints what was found as JSON. It is a process of its own because it forks, which is only safe
while no other thread runs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from ti_core.errors import TrainingError
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.options import make_config
from ti_core.train.config import TrainConfig
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder

from ..conftest import draw

STEPS, WORD = 40, "zz-thing"
_LONGEST = 120.0
"""Seconds for one training, on a machine with other work."""


@dataclass
class Found:
    """What became of every round."""

    rounds: int = 0
    killed: list[int] = field(default_factory=list)
    """Steps that the log had when a run was killed; -1 where there was no run folder yet."""
    different: list[int] = field(default_factory=list)
    """Rounds whose finished file is not that of the run that nobody killed."""
    incomplete: list[int] = field(default_factory=list)
    """Rounds in whose log a step is missing or there twice."""
    unreadable: list[int] = field(default_factory=list)
    """Rounds that left an embedding that cannot be read, right after the kill."""


def configured(folder: Path, pictures: Path, optimizer: str) -> TrainConfig:
    """A run that writes something at nearly every step."""
    values = {
        "token_string": WORD,
        "init_word": "tree",
        "train_data_dir": str(pictures),
        "output_dir": str(folder / "embeddings"),
        "logging_dir": str(folder / "log"),
        "optimizer_type": optimizer,
        "learning_rate": "1" if optimizer == "Prodigy" else "0.01",
        "num_vectors_per_token": 2,
        "latent_sampling_method": "random",
        "max_train_steps": STEPS,
        "save_state_every_n_steps": 7,
        "save_every_n_steps": 10,
        "sample_every_n_steps": 0,
        "loss_csv_every": 1,
        "overwrite": True,
        "skip_checkup": True,
    }
    return make_config(TrainConfig, values)


def run_of(config: TrainConfig) -> RunFolder | None:
    """The run that a resume would take."""
    try:
        return RunFolder.find("latest", Path(config.output.logging_dir), WORD)
    except TrainingError:
        return None


def in_a_child(work: Callable[[], object], seconds: float = _LONGEST) -> bool:
    """Whether the work ended within this time; it is killed otherwise."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    until, status = time.monotonic() + seconds, None
    while status is None and time.monotonic() < until:
        done, code = os.waitpid(child, os.WNOHANG)
        status = code if done else None
        time.sleep(0.0005)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return False
    assert status == 0, "a training failed"
    return True


def finished(config: TrainConfig) -> bytes:
    """Train to the end, from where a run was: the file."""
    assert in_a_child(lambda: train(config, FakeHost(), resume=run_of(config)))
    return (Path(config.output.output_dir) / f"{WORD}.safetensors").read_bytes()


def kill_once(config: TrainConfig, seconds: float, number: int, found: Found) -> None:
    """Kill a run; note what it left."""
    if in_a_child(lambda: train(config, FakeHost(), resume=run_of(config)), seconds):
        return
    run = run_of(config)
    found.killed.append(len(run.losses()) if run else -1)
    for path in Path(config.output.output_dir).glob("[!.]*.safetensors"):
        if read_embedding(path).step != STEPS:
            found.unreadable.append(number)


def main(optimizer: str, rounds: int, place: Path) -> Found:
    """All rounds: each run is killed at a random moment, resumed and, in every second round,
    killed a second time before it may end."""
    torch.set_num_threads(1)
    random.seed(7)
    pictures, found = draw(place / "pictures", captions=True), Found(rounds)
    train(configured(place / "warm", pictures, optimizer), FakeHost())  # imports all that it needs
    begun = time.monotonic()
    whole = finished(configured(place / "whole", pictures, optimizer))
    usual = time.monotonic() - begun
    for number in range(rounds):
        config = configured(place / str(number), pictures, optimizer)
        for _ in range(1 + number % 2):
            kill_once(config, random.uniform(0, usual), number, found)
        if finished(config) != whole:
            found.different.append(number)
        run = run_of(config)
        assert run
        if [step for step, _, _ in run.losses()] != list(range(1, STEPS + 1)):
            found.incomplete.append(number)
    return found


if __name__ == "__main__":
    result = main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.write(json.dumps(asdict(result)))
