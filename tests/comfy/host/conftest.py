"""Models of the ComfyUI that `tests.comfy.program` starts, one of each kind for all tests.

The real program's come from files, 8 GB in all: `COMFYUI_TEST_MODELS` is a folder to keep them in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.comfy import program
from tests.comfy.pack import pack_module

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., program.Loaded]:
    """kind, inference → MODEL, CLIP, VAE."""
    kept = os.environ.get("COMFYUI_TEST_MODELS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("models")

    @cache
    def open_(kind: Any = "sd1", inference: bool = True) -> program.Loaded:
        return program.load(kind, folder, inference)

    return open_


@pytest.fixture
def host_of() -> Open:
    """MODEL, CLIP, VAE → our host."""

    def open_(loaded: program.Loaded, **options: Any) -> Any:
        host = pack_module("comfy_nodes.host")
        return host.ComfyHost(loaded.model, loaded.clip, loaded.vae, **options)

    return open_
