"""Models of the ComfyUI that `tests.comfy.program` starts, one of each kind for all tests.

The real program's come from files, 8 GB in all: `COMFYUI_CHECKPOINTS` is a folder to keep them in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.comfy import program
from tests.comfy.pack import pack_module

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the real program's files are."""
    kept = os.environ.get("COMFYUI_CHECKPOINTS")
    return Path(kept) if kept else tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def load(models: Path) -> Callable[..., program.Loaded]:
    """kind, inference → MODEL, CLIP, VAE."""

    @lru_cache(maxsize=2 if program.is_real() else None)
    def open_(kind: Any = "sd1", inference: bool = True) -> program.Loaded:
        return program.load(kind, models, inference)

    return open_


@pytest.fixture
def host_of() -> Open:
    """MODEL, CLIP, VAE → our host."""

    def open_(loaded: program.Loaded, **options: Any) -> Any:
        host = pack_module("comfy_nodes.host.host")
        return host.ComfyHost(loaded.model, loaded.clip, loaded.vae, **options)

    return open_
