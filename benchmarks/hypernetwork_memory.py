"""What releasing the text encoder and the VAE saves while a hypernetwork is trained.

    python benchmarks/hypernetwork_memory.py                 # SD 1.5's layout: 7 GB, minutes

A hypernetwork is trained on a checkpoint of full size with random numbers, on the processor in
fp32. Nothing is released (A1111's "Unload VAE and CLIP from VRAM when training") until all prompts
are encoded; then both are, and one more step is made. Memory is what the process holds after the
step before and after that one: all of it (VmRSS), and what is not a page of a file, which the
system can take back at any time (RssAnon).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from random_models import model_file

from tests.conftest import draw
from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.events import Event
from ti_core.hosts.common.session import BaseSession
from ti_core.options import make_config
from ti_core.port.session import Host
from ti_core.train.events import StepDone
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
from ti_core.train.loop import train

Part = Literal["vae", "text_encoder"]
_METERS = ("VmRSS", "RssAnon")
_KNOWN = 6
"""Steps after which the five prompts are known."""
Held = dict[str, int]
"""Meter → bytes."""


def held() -> Held:
    """By this process, now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the system
    lines = Path("/proc/self/status").read_text().splitlines()
    parts = (line.split() for line in lines)
    return {part[0][:-1]: int(part[1]) * 1024 for part in parts if part[0][:-1] in _METERS}


def trained(host: Host, folder: Path, pack: bool) -> tuple[Held, Held]:
    """What is held without the release, and with it."""
    found, asked = list[Held](), list[Callable[[], None]]()
    release = BaseSession.release

    def later(session: BaseSession, part: Part) -> None:
        asked.append(partial(release, session, part))

    def look(event: Event) -> None:
        if isinstance(event, StepDone) and event.step >= _KNOWN:
            found.append(held())
            for each in asked:
                each()
            asked.clear()

    values = {
        "hypernetwork_name": "zz-memory",
        "train_data_dir": str(draw(folder / "pictures", captions=True)),
        "prompt_template": "captions",
        "resolution": (64, 64),
        "output_dir": str(folder),
        "logging_dir": str(folder / "log"),
        "max_train_steps": _KNOWN + 1,
        "sample_every_n_steps": 0,
        "save_every_n_steps": 0,
        "pack_weights": pack,
        "skip_checkup": True,
    }
    with mock.patch.object(BaseSession, "release", later):
        train(make_config(HypernetworkTrainConfig, values), host, look)
    without, released = found
    return without, released


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--family", default="sd1", choices=("sd1", "sd2"))
    options.add_argument("--stored", default="fp16", choices=("fp16", "fp32"), help="in the file")
    options.add_argument("--models", type=Path, help="folder that keeps the random checkpoint")
    options.add_argument("--pack", action="store_true", help="the weights of the U-Net")
    given = options.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = model_file(given.models or folder, given.family, given.stored)
        without, released = trained(open_host(ModelConfig(str(model))), folder, given.pack)
    print("| memory | without the release | with it | saved |\n|---|---|---|---|")
    for meter in _METERS:
        before, after = without[meter] / 1e6, released[meter] / 1e6
        print(f"| {meter} | {before:,.0f} MB | {after:,.0f} MB | {before - after:,.0f} MB |")


if __name__ == "__main__":
    main()
