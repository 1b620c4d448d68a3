"""ComfyUI's folders for one test, and the core's fake model in place of a loaded one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image

from tests.comfy import program as model_program
from tests.comfy.nodes import program
from ti_core.families import SD1, SDXL
from ti_core.hosts.fake import FakeHost

if model_program.is_real():
    collect_ignore_glob = ["test_*.py"]


class FakeComfyHost(FakeHost):
    """The fake model, whatever is connected."""

    def __init__(self, model: Any, clip: Any, vae: Any, name: str, folder: Path) -> None:
        super().__init__(folder, SDXL if model == "sdxl" else SD1)


@pytest.fixture(autouse=True)
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """ComfyUI's folders, empty; nodes run under inference mode as there."""
    program.start()
    for name in ("input", "output", "temp", "embeddings", "hypernetworks", "user"):
        program.folders[name] = tmp_path / name
        program.folders[name].mkdir()
    program.shown.clear()
    program.sent.clear()
    program.bars.clear()
    program.Flag.pressed = False
    host = ModuleType(program.HOST_MODULE)
    host.ComfyHost = FakeComfyHost  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, program.HOST_MODULE, host)
    with torch.inference_mode():
        yield program.folders


@pytest.fixture
def pictures(comfy: dict[str, Path]) -> str:
    """A folder "cats" with three captioned pictures in the input folder."""
    folder = comfy["input"] / "cats"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (80, 64), colour).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a {colour} [name]")
    return "cats"
