"""A real reForge in this process, on the processor, with reduced random checkpoints.

`REFORGE_PATH` is its folder; see reduced_reforge.py.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch

from .reduced_forge import write_checkpoint


@cache
def start(home: Path) -> None:
    """Import reForge as its launcher does; `home` becomes its data folder."""
    from .real_forge import start_program
    from .reduced_reforge import reduce

    start_program(os.environ["REFORGE_PATH"], home)
    reduce()


def load(kind: str, folder: Path, seed: int = 0) -> Any:
    """A checkpoint with random weights, loaded by reForge itself."""
    start(folder.parent)
    from .reduced_reforge import write_config

    path = write_checkpoint(folder / f"random-{kind}.safetensors", kind, seed)
    write_config(path, kind, Path(os.environ["REFORGE_PATH"]))
    models = importlib.import_module("modules.sd_models")
    importlib.import_module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    info = models.CheckpointInfo(str(path))
    info.register()
    return _used(models.load_model(info))


def _used(model: Any) -> Any:
    """As after a picture: what its memory manager notes down on a network is there from then on."""
    parts, manager = model.forge_objects, "ldm_patched.modules.model_management"
    with torch.inference_mode():
        importlib.import_module(manager).load_models_gpu(
            [parts.unet, parts.clip.patcher, parts.vae.patcher]
        )
    return model
