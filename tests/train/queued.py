"""Trainings on a device with a queue, and how often the program waits for it; see test_deferred.

    python -m tests.train.queued sd1

What was found is written as JSON. It is a process of its own: torch asks once, before the first
backward pass, which devices there are.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
import torch

from ti_core.events import Event
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.options import make_config
from ti_core.train import deferred
from ti_core.train.config import TrainConfig
from ti_core.train.events import StepDone
from ti_core.train.loop import train

from ..checkpoints import Family, write_folder
from ..conftest import draw
from ..queued_device import LOG, queued_device

FIRST, LAST = 20, 40
"""Steps between which waits are counted: twenty."""


@dataclass
class Run:
    """What a training told."""

    losses: list[float] = field(default_factory=list)
    waits: Counter[str] = field(default_factory=Counter)

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self.losses.append(event.loss)
            if event.step <= FIRST:
                LOG.clear()
            if event.step == LAST:
                self.waits = Counter(LOG.waits)


MORE = {
    "max_train_steps": 8,
    "gradient_accumulation_steps": 2,
    "prior_loss_weight": 0.5,
    "ema_decay": 0.9,
    "min_snr_gamma": 5.0,
    "validate_every_n_steps": 4,
}
"""Much that a step may have besides; some have regularisation images alone, and no gradient."""


def trained(model: Path, folder: Path, device: torch.device | str, **changes: object) -> Run:
    """A training of the default settings, but for these; with some, regularisation images too."""
    values = {
        "token_string": "zz-thing",
        "init_word": "tree",
        "train_data_dir": str(folder / "pictures"),
        "output_dir": str(folder / "embeddings"),
        "logging_dir": str(folder / "log"),
        "resolution": (64, 64),
        "max_train_steps": LAST + 1,
        "sample_every_n_steps": 0,
        "save_every_n_steps": 0,
        "skip_checkup": True,
        "overwrite": True,
        **changes,
        **({"reg_data_dir": str(folder / "regular")} if changes else {}),
    }
    run = Run()
    train(make_config(TrainConfig, values), DiffusersHost.open(model, device=device), run)
    return run


def farthest(one: Run, other: Run) -> float:
    """Largest difference of their losses, as a share."""
    return max(abs(a / b - 1) for a, b in zip(one.losses, other.losses, strict=True))


def main(family: Family) -> None:
    """Of a tiny model, with the default settings."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        folder = Path(made)
        model = write_folder(folder / "model", family)
        draw(folder / "pictures", captions=False)
        draw(folder / "regular", captions=True)
        with queued_device() as device:
            patch.setattr(deferred, "_SECONDS", 1e9)
            together = trained(model, folder, device)
            patch.setattr(deferred, "_SECONDS", 0)
            alone = trained(model, folder, device)
            patch.setattr(deferred, "_SECONDS", 1e9)
            more = trained(model, folder, device, **MORE)
        plain = trained(model, folder, "cpu")
        more_plain = trained(model, folder, "cpu", **MORE)
    found = {
        "same": together.losses == alone.losses,
        "from_cpu": farthest(plain, alone),
        "more_from_cpu": farthest(more_plain, more),
        "together": together.waits,
        "alone": alone.waits,
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(cast(Family, sys.argv[1]))
