"""A run on the fake host, with three copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from ti_core.hosts.fake import FakeHost
from ti_core.train.events import Started
from ti_core.train.loop import train

from ..conftest import Configure
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
