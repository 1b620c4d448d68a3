"""A real Forge in this process, on the processor, with a random checkpoint of SD 1.5's full size.

`FORGE_PATH` is its folder. Forge knows models by their sizes, so a reduced one will not do; the
checkpoint takes 2 GB of disk and the networks 4.3 GB of memory.
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
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "IGNORE_CMD_ARGS_ERRORS": "1"}
    os.environ.update(offline, HF_HOME=str(home))
    path = os.environ["FORGE_PATH"]
    sys.path.insert(0, path)
    os.chdir(path)
    sys.argv = ["webui.py", *_FLAGS.split(), "--data-dir", str(home)]
    launch = importlib.import_module("modules.launch_utils")
    launch.startup_timer.record("tests")
    importlib.import_module("modules_forge.initialization").initialize_forge()
    initialize = importlib.import_module("modules.initialize")
    initialize.imports()
    initialize.initialize()


def load(kind: str, folder: Path, seed: int = 0) -> Any:
    """A checkpoint with random weights, loaded by Forge itself; only sd1."""
    assert kind == "sd1", kind
    start(folder.parent)
    from tests.checkpoints import full, write_single_file

    path = Path(os.environ.get("FORGE_CHECKPOINTS", folder)) / "random-sd1.safetensors"
    if not path.exists():
        write_single_file(path, full("sd1"), seed=seed)
    models = importlib.import_module("modules.sd_models")
    importlib.import_module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    info = models.CheckpointInfo(str(path))
    info.register()
    models.model_data.forge_loading_parameters = {
        "checkpoint_info": info,
        "additional_modules": [],
        "unet_storage_dtype": None,
    }
    return models.forge_model_reload()[0]
