"""A real Forge in this process, on the processor, with reduced random checkpoints.

`FORGE_PATH` is its folder; see reduced_forge.py.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

_FLAGS = "--skip-torch-cuda-test --always-cpu --all-in-fp32"


@cache
def start(home: Path) -> None:
    """Import Forge as its launcher does; `home` becomes its data folder."""
    from .reduced_forge import reduce

    start_program(os.environ["FORGE_PATH"], home)
    reduce(home)


def start_program(path: str, home: Path, flags: str = _FLAGS) -> None:
    """Import Forge, reForge or Forge Neo from its folder."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "IGNORE_CMD_ARGS_ERRORS": "1"}
    os.environ.update(offline, HF_HOME=str(home))
    sys.path.insert(0, path)
    os.chdir(path)
    sys.argv = ["webui.py", *flags.split(), "--data-dir", str(home)]
    importlib.import_module("modules.timer")
    importlib.import_module("modules_forge.initialization").initialize_forge()
    initialize = importlib.import_module("modules.initialize")
    initialize.imports()
    initialize.initialize()


def load(kind: str, folder: Path, seed: int = 0) -> Any:
    """A checkpoint with random weights, loaded by Forge itself."""
    start(folder.parent)
    return load_random(kind, folder, seed)


def load_random(kind: str, folder: Path, seed: int, stored: Any = None) -> Any:
    """The same in a Forge, or Forge Neo, that is started; `stored`: the UNet's weights, as what."""
    from .reduced_forge import write_checkpoint

    path = write_checkpoint(folder / f"random-{kind}.safetensors", kind, seed)
    models = importlib.import_module("modules.sd_models")
    importlib.import_module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    info = models.CheckpointInfo(str(path))
    info.register()
    models.model_data.forge_loading_parameters = {
        "checkpoint_info": info,
        "additional_modules": [],
        "unet_storage_dtype": stored,
    }
    return models.forge_model_reload()[0]
