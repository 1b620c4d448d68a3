"""The first losses of a training on a checkpoint, in whatever program this process is.

    python -m tests.real_hosts.curve KIND CHECKPOINT PICTURES FOLDER    in AUTOMATIC1111's Python

prints them as the last line, in JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ti_core.cli.options import make_config
from ti_core.train.config import TrainConfig
from ti_core.train.events import StepDone
from ti_core.train.loop import train

STEPS = 20


def losses(host: Any, pictures: Path, folder: Path) -> list[float]:
    """Of two vectors, two pictures a step, in fp32; all else is by default."""
    found: list[float] = []
    settings = {
        "token_string": "zz-thing",
        "init_word": "tree",
        "num_vectors_per_token": 2,
        "train_data_dir": str(pictures),
        "resolution": (64, 64),
        "train_batch_size": 2,
        "max_train_steps": STEPS,
        "sample_every_n_steps": 0,
        "output_dir": str(folder / "embeddings"),
        "logging_dir": str(folder / "log"),
        "skip_checkup": True,
    }

    def keep(event: Any) -> None:
        if isinstance(event, StepDone):
            found.append(event.loss)

    train(make_config(TrainConfig, settings), host, keep)
    return found


def main(kind: str, checkpoint: str, pictures: str, folder: str) -> None:
    """Train in a real AUTOMATIC1111."""
    from tests.webui.real_a1111 import load_file

    load_file(Path(checkpoint), kind)
    from ti_webui.host_a1111 import A1111Host

    found = losses(A1111Host(), Path(pictures), Path(folder))
    sys.stdout.write(f"\n{json.dumps(found)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
