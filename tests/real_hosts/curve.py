"""The first losses of a training in a real web UI, and of the same training by `ti train`.

    python -m tests.real_hosts.curve forge sdxl FOLDER embedding   # in the web UI's own interpreter

trains on a checkpoint that the web UI loads from FOLDER; `by_command_line` does so without it, by
`ti train` or `ti hypernetwork train`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ti_core.port.session import Host

ROOT = Path(__file__).parents[2]
STEPS = 20
Learnable = Literal["embedding", "hypernetwork"]
OWN: Mapping[Learnable, dict[str, Any]] = {
    "embedding": {"token_string": "zz-thing", "init_word": "tree", "num_vectors_per_token": 2},
    "hypernetwork": {
        "hypernetwork_name": "zz-thing",
        "activation_func": "swish",
        "learning_rate": "0.001",
    },
}
"""Learnable → its own options."""


def settings(folder: Path, program: str, learnable: Learnable) -> dict[str, Any]:
    """Names and values of the options that are not left as they are."""
    return {
        "train_data_dir": str(folder / "pictures"),
        "output_dir": str(folder / f"made-{program}"),
        "logging_dir": str(folder / f"log-{program}"),
        **OWN[learnable],
        "max_train_steps": STEPS,
        "resolution": (64, 64),
        "sample_every_n_steps": 0,
        "seed": 1,
    }


def in_program(
    program: str, python: str, kind: str, folder: Path, learnable: Learnable = "embedding"
) -> list[float]:
    """Losses of every step in a web UI, in a process of its own."""
    from tests.conftest import draw

    folder.mkdir()
    draw(folder / "pictures", captions=True)
    command = [python, "-m", "tests.real_hosts.curve", program, kind, str(folder)]
    command.append(learnable)
    _run(command, WEBUI_IN_PROCESS=program, PYTHONPATH=str(ROOT))
    losses: list[float] = json.loads((folder / "losses.json").read_text())
    return losses


def by_command_line(folder: Path, learnable: Learnable = "embedding") -> list[float]:
    """Losses of the same training by `ti train`, on the checkpoint that the web UI has used."""
    (checkpoint,) = folder.glob("*.safetensors")
    wanted = {"pretrained_model_name_or_path": str(checkpoint), "device": "cpu"}
    wanted |= settings(folder, "ti", learnable) | {"resolution": "64,64"}
    options = [f"--{name}={value}" for name, value in wanted.items()]
    verb = ["train"] if learnable == "embedding" else ["hypernetwork", "train"]
    _run([sys.executable, "-m", "ti_core", *verb, *options, "--skip_checkup"])
    return _losses(folder / "log-ti")


def _run(command: list[str], **told: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _losses(log: Path) -> list[float]:
    from ti_core.train.run_folder import RunFolder

    (run,) = log.glob("*/*")
    return [loss for _, loss, _ in RunFolder(run).losses()]


def train_in(
    folder: Path, name: str, host: Host, learnable: Learnable = "embedding"
) -> list[float]:
    """Losses of the training in `folder` by a host, in runs of that name."""
    from ti_core.options import make_config
    from ti_core.train.config import TrainConfig
    from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
    from ti_core.train.loop import train

    os.chdir(ROOT)  # the program has gone into its own folder
    kind = TrainConfig if learnable == "embedding" else HypernetworkTrainConfig
    wanted = settings(folder, name, learnable) | {"skip_checkup": True}
    train(make_config(kind, wanted), host)
    return _losses(folder / f"log-{name}")


def _train(program: str, kind: Any, folder: Path, learnable: Learnable) -> None:
    from tests.webui.program import load, load_forge, load_forge_neo, load_reforge
    from ti_webui.hosts.choose import current_host

    loads: dict[str, Callable[..., Any]] = {
        "a1111": load,
        "forge": load_forge,
        "forge_neo": load_forge_neo,
        "reforge": load_reforge,
    }
    loads[program](kind, folder)
    losses = train_in(folder, program, current_host(), learnable)
    (folder / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    learnable: Any = sys.argv[4]
    _train(sys.argv[1], sys.argv[2], Path(sys.argv[3]), learnable)
