"""Small trainings of a hypernetwork called "warm", on the fake host."""

from __future__ import annotations

from pathlib import Path

from ti_core.hosts.fake import FakeHost
from ti_core.options import make_config
from ti_core.train.events import Started
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
from ti_core.train.loop import train

from .spoiled import Log


def config(root: Path, pictures: Path, **changes: object) -> HypernetworkTrainConfig:
    """Settings of a run of ten steps, whose files go below `root`."""
    values = {
        "hypernetwork_name": "warm",
        "train_data_dir": str(pictures),
        "output_dir": str(root / "hypernetworks"),
        "logging_dir": str(root / "log"),
        "max_train_steps": 10,
        "learning_rate": "0.01",
        "sample_every_n_steps": 0,
        "save_every_n_steps": 0,
        "skip_checkup": True,
        **changes,
    }
    return make_config(HypernetworkTrainConfig, values)


def with_copies(host: FakeHost, root: Path, pictures: Path) -> Path:
    """The folder of a run of twenty steps that left a copy every ten."""
    log = Log()
    train(config(root, pictures, max_train_steps=20, save_every_n_steps=10), host, log)
    return log.of(Started)[0].run_folder
