"""A run on the fake host, with three copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from ti_core.hosts.fake import FakeHost
from ti_core.train.events import Started
from ti_core.train.loop import train

from ..conftest import Configure
from ..train.hypernetwork_runs import with_copies
from ..train.spoiled import Log


@pytest.fixture
def host() -> FakeHost:
    """A tiny model for SD1."""
    return FakeHost()


@pytest.fixture
def run_folder(configure: Configure, host: FakeHost) -> Path:
    """A run of 30 steps that left a copy every ten."""
    log = Log()
    train(configure(max_train_steps=30, save_every_n_steps=10, learning_rate="0.05"), host, log)
    return log.of(Started)[0].run_folder


@pytest.fixture
def trained(tmp_path: Path, pictures: Path, host: FakeHost) -> Path:
    """The folder of a run of a hypernetwork, of 20 steps, that left a copy every ten."""
    return with_copies(host, tmp_path, pictures)
