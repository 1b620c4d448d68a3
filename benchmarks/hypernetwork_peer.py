"""Training a hypernetwork in AUTOMATIC1111: a step by its own trainer and one by ours, in one run.

    A1111_PATH=stable-diffusion-webui A1111_PYTHON=venv/bin/python \
        python benchmarks/hypernetwork_peer.py

Each way is a fresh process of the program's own Python, on the processor in fp32. It loads the same
random numbers in a reduced layout of SD 1.x (or with `--full` in that of SD 1.5: 13 GB), reads the
same hypernetwork, images and captions, and trains. "A1111" is what its Train button calls; it
computes blocks again in the backward pass, as our "checkpointing" does. A step is the processor's
time between two steps, and the least counts of those whose prompts both have encoded already.
Memory is the most that the process held while it trained (VmHWM, set back before), less what it
held with the model loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from random_models import model_file

from tests.checkpoints import Layout, full

ROOT = Path(__file__).parents[1]
NAME = "zz-beside"
OURS: dict[str, dict[str, object]] = {
    "ours": {},
    "ours, weights not packed": {"pack_weights": False},
    "ours, checkpointing": {"pack_weights": False, "gradient_checkpointing": True},
}
WAYS = ("A1111", *OURS)
REDUCED = Layout("sd1", (96, 192, 384), (1, 1, 0), 1, 2, (32, 32, 64, 64), 1, (32,), (3,))
"""A U-Net of 40 million numbers, which is what takes the time."""
PICTURES, WARM = 2, 4
"""The first steps are not counted: prompts are encoded in them, the weights are packed."""
Found = dict[str, float]


@dataclass(frozen=True)
class Case:
    """What is measured; `home` is a folder of its own."""

    way: str
    home: str
    pixels: int
    steps: int
    full: bool

    @property
    def layout(self) -> Layout:
        """Of the checkpoint."""
        return full("sd1") if self.full else REDUCED

    @property
    def folder(self) -> Path:
        """Of the checkpoint, the hypernetwork and the images."""
        return Path(self.home) / "models"


class Meter:
    """Seconds of the processor of each step, and the most memory so far."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the largest so far is forgotten
        self._began, self.seconds, self.peak = self._most(), list[float](), 0
        self._before = time.process_time()

    def __call__(self, *ignored: object) -> None:
        """A step was made."""
        now = time.process_time()
        self.seconds.append(now - self._before)
        self.peak = self._most() - self._began
        self._before = time.process_time()

    @staticmethod
    def _most() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def by_a1111(case: Case, meter: Meter) -> None:
    """As its page calls it."""
    from modules import shared
    from modules.hypernetworks.ui import train_hypernetwork
    from modules.textual_inversion import textual_inversion

    template = case.folder.parent / "captions.txt"
    template.write_text("[filewords]")
    entry = textual_inversion.TextualInversionTemplate(template.name, str(template))
    textual_inversion.textual_inversion_templates[template.name] = entry
    shared.opts.data["save_training_settings_to_txt"] = False  # into a folder that it lacks
    shared.cmd_opts.hypernetwork_dir = str(case.folder)
    shared.reload_hypernetworks()
    textual_inversion.write_loss = meter
    sampler: Any = torch.utils.data.Sampler
    sampler.__init__ = _nothing
    about = {"id_task": "", "name": NAME, "rate": "0.00001", "batch": 1, "gradient_step": 1}
    data = [str(case.folder / "pictures"), str(case.folder / "log"), case.pixels, case.pixels]
    clip, tags = ["disabled", "0.1"], [False, 0, "once", False]  # no dropping, no weights
    never, preview = [0, 0], [False, "", "", 20, "Euler", 7.0, 0, case.pixels, case.pixels]
    train_hypernetwork(
        *about.values(), *data, False, case.steps, *clip, *tags, *never, template.name, *preview
    )


def _nothing(self: object, data_source: object) -> None:
    """What `Sampler` was made with until torch 2.5; A1111's own still says it."""


def by_us(case: Case, meter: Meter) -> None:
    """Through the extension's host."""
    from ti_core.options import make_config
    from ti_core.train.events import StepDone
    from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
    from ti_core.train.loop import train
    from ti_webui.hosts.choose import current_host

    values = {
        "hypernetwork_name": f"{NAME}-ours",
        "weights": str(case.folder / f"{NAME}.pt"),
        "train_data_dir": str(case.folder / "pictures"),
        "prompt_template": "captions",
        "resolution": (case.pixels, case.pixels),
        "output_dir": case.home,
        "logging_dir": str(case.folder / "log"),
        "learning_rate": "0.00001",
        "max_train_steps": case.steps,
        "sample_every_n_steps": 0,
        "save_every_n_steps": 0,
        "skip_checkup": True,
        **OURS[case.way],
    }
    config = make_config(HypernetworkTrainConfig, values)
    train(config, current_host(), lambda event: meter() if isinstance(event, StepDone) else None)


def measured(case: Case) -> Found:
    """In this process, which becomes a web UI. Raises RuntimeError if steps are missing."""
    from tests.webui.a1111_files import write_checkpoint
    from tests.webui.real_a1111 import load_file

    torch.set_num_threads(1)
    path = case.folder / "model.safetensors"
    if not case.full:
        write_checkpoint("sd1", path, Path(os.environ["A1111_PATH"]), reduced=REDUCED)
    load_file(path, "sd1", case.layout)
    meter = Meter()
    (by_a1111 if case.way == "A1111" else by_us)(case, meter)
    if len(meter.seconds) != case.steps:
        raise RuntimeError(f"{len(meter.seconds)} of {case.steps} steps were made")
    return {"seconds": min(meter.seconds[WARM:]), "bytes": meter.peak}


def prepare(case: Case, models: Path | None) -> None:
    """What every way reads, in a folder of its own."""
    from tests.conftest import draw
    from ti_core.train.hypernetwork_config import HypernetworkConfig
    from ti_core.train.hypernetwork_create import create_hypernetwork

    folder = case.folder
    folder.mkdir(parents=True)
    if case.full:
        checkpoint = model_file(models or folder.parent, "sd1")
        (folder / "model.safetensors").symlink_to(checkpoint.resolve())
    for path in sorted(draw(folder / "pictures", captions=True).iterdir())[2 * PICTURES :]:
        path.unlink()
    sizes = ", ".join(map(str, {*case.layout.unet_widths, *case.layout.text_widths}))
    create_hypernetwork(HypernetworkConfig(NAME, sizes, activation_func="swish"), None, folder)


def in_a_process(way: str, given: argparse.Namespace) -> Found:
    """One way. Raises RuntimeError with what it said when it failed."""
    with tempfile.TemporaryDirectory() as home:
        case = Case(way, home, given.pixels, WARM + given.steps, given.full)
        prepare(case, given.models)
        python = os.environ.get("A1111_PYTHON", sys.executable)
        command = [python, __file__, "--one", json.dumps(asdict(case))]
        told = {**os.environ, "WEBUI_IN_PROCESS": "a1111", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-1000:] + done.stderr[-3000:])
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def row(way: str, found: Found, first: Found) -> str:
    """Of the table: what was measured, and how many times the first way's that is."""
    seconds, size = found["seconds"], found["bytes"]
    times = f"{seconds / first['seconds']:.2f} × | {size / first['bytes']:.2f} ×"
    return f"| {way} | {seconds * 1000:.0f} ms | {size / 1e6:.0f} MB | {times} |"


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--pixels", type=int, default=256)
    options.add_argument("--steps", type=int, default=12, help="that are counted")
    options.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    options.add_argument("--full", action="store_true", help="SD 1.5's layout")
    options.add_argument("--models", type=Path, help="folder that keeps its random checkpoint")
    options.add_argument("--one", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measured(Case(**json.loads(given.one)))))
        return
    if "A1111_PATH" not in os.environ:
        sys.exit("nothing was measured: set A1111_PATH to the folder of AUTOMATIC1111")
    first: Found = {}
    print("| trainer | step | memory | step ÷ first | memory ÷ first |\n|---|---|---|---|---|")
    for way in given.ways:
        found = in_a_process(way, given)
        first = first or found
        print(row(way, found, first), flush=True)


if __name__ == "__main__":
    main()
