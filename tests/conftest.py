"""Shared fixtures: five drawn pictures, and settings for a run on them."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from ti_core.options import leaves, make_config
from ti_core.train.config import TrainConfig

COLOURS = ("red", "green", "blue", "orange", "purple")
Configure = Callable[..., TrainConfig]

with contextlib.suppress(ModuleNotFoundError):  # the Pythons of hosts may lack it
    from hypothesis import HealthCheck, settings

    # a busy machine is slow, not wrong
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("patient", patient)
    settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """The collector need not look again and again at what stays to the end: modules and tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _not_onto_the_disk() -> Iterator[None]:
    """Processes are killed here, machines are not: nothing is lost that is not yet on the disk.
    A handle that is none still fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny models are faster so, and timings do not collide."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(folder: Path, captions: bool) -> Path:
    """Five pictures of 64 pixels: a disc in a colour of its own."""
    folder.mkdir()
    for i, colour in enumerate(COLOURS):
        image = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(image).ellipse((8 + 2 * i, 8, 40 + 2 * i, 40), fill=colour)
        image.save(folder / f"{i:05}-0-a {colour} disc.png")
        if captions:
            (folder / f"{i:05}-0-a {colour} disc.txt").write_text(f"a {colour} disc on white\n")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of five drawn pictures with captions."""
    return draw(tmp_path / "pictures", captions=True)


@pytest.fixture
def bare_pictures(tmp_path: Path) -> Path:
    """The same five pictures without captions."""
    return draw(tmp_path / "bare", captions=False)


@pytest.fixture
def configure(tmp_path: Path, pictures: Path) -> Configure:
    """Settings of a run of ten steps on `tmp_path`; keywords are names of single settings."""

    def build(**changes: Any) -> TrainConfig:
        values = {
            "token_string": "zz-thing",
            "init_word": "tree",
            "train_data_dir": str(pictures),
            "output_dir": str(tmp_path / "embeddings"),
            "logging_dir": str(tmp_path / "log"),
            "max_train_steps": 10,
            "sample_every_n_steps": 0,
            "save_every_n_steps": 0,
            "skip_checkup": True,  # drawn pictures are not what people train on
            **changes,
        }
        unknown = values.keys() - {path[-1] for path, _ in leaves(TrainConfig)}
        assert not unknown, f"no such settings: {unknown}"
        return make_config(TrainConfig, values)

    return build
