"""Which checkpoints a page offers, and what loading does to the one that was there."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ti_core.cli.standalone import ModelConfig
from ti_core.errors import CheckpointError, HostBusyError, NoModelError, NotFoundError
from ti_webui.alone.model_tab import ModelPage
from ti_webui.alone.models import Shelf, checkpoints
from ti_webui.job import Job
from ti_webui.studio import Studio

from ..conftest import held


def made(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in checkpoints([folder])]


def test_checkpoints_and_diffusers_folders_of_a_folder_are_listed(tmp_path: Path) -> None:
    made(tmp_path, "b.safetensors", "deep/er/A.CKPT", "notes.txt", ".hidden.ckpt")
    made(tmp_path, "whole/model_index.json", "whole/unet/weights.safetensors")
    assert found(tmp_path) == ["b.safetensors", "deep/er/A.CKPT", "whole"]


@pytest.mark.parametrize(
    "home",
    [
        "models/Stable-diffusion",
        "models/checkpoints",
        "stable-diffusion-webui/models/Stable-diffusion",
        "ComfyUI/models/checkpoints",
        "stable-diffusion-webui-forge/models/Stable-diffusion",
    ],
)
def test_of_programs_only_their_model_folders_are_listed(tmp_path: Path, home: str) -> None:
    made(tmp_path, f"{home}/sub/a.safetensors", "models/Lora/b.safetensors", "c.ckpt")
    made(tmp_path, "someone/else/models/Stable-diffusion/d.ckpt")
    assert found(tmp_path) == [f"{home}/sub/a.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    made(tmp_path / "other", "a.ckpt")
    made(tmp_path / "given", "b.ckpt")
    (tmp_path / "given" / "link").symlink_to(tmp_path / "other")
    assert found(tmp_path / "given") == ["b.ckpt"]


def test_one_is_loaded_and_unloaded(tmp_path: Path) -> None:
    shelf, job = Shelf(ModelConfig()), Job("model", "demo")
    with pytest.raises(NoModelError, match="load one"):
        shelf.current()
    shelf.load("demo", False, job)
    assert shelf.current().describe().checkpoint_name == "demo"
    assert job.progress.step == job.progress.total == 100
    shelf.unload()
    with pytest.raises(NoModelError):
        shelf.current()


def test_what_is_damaged_unknown_or_interrupted_leaves_the_old_one(tmp_path: Path) -> None:
    made(tmp_path, "a.safetensors")
    shelf, job = Shelf(ModelConfig(), (tmp_path,)), Job("model", "demo")
    shelf.load("demo", False, job)
    there = shelf.current()
    with pytest.raises(CheckpointError):
        shelf.load(str(tmp_path / "a.safetensors"), False, job)
    with pytest.raises(NotFoundError):
        shelf.load("/etc/passwd", False, job)
    job.control.finish()
    shelf.load("demo", False, job)
    assert shelf.current() is there


def test_nothing_is_loaded_or_unloaded_while_a_job_runs(studio: Studio) -> None:
    page, over = ModelPage(studio, Shelf(ModelConfig())), threading.Event()
    job = studio.start("train", "zz-thing", lambda job: held(over))
    try:
        with pytest.raises(HostBusyError, match="zz-thing works with the one that is loaded"):
            page.press_load("demo", False)
        with pytest.raises(HostBusyError, match="no model can be unloaded now"):
            page.press_unload()
    finally:
        over.set()
        job.wait()
