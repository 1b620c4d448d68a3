"""A real Forge in this process, on the processor, with a reduced random checkpoint.

`FORGE_PATH` is its folder. Forge knows models by their sizes; here its numbers for SD 1.5 are those
of `tests.checkpoints.tiny`, and nothing else of it is changed.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

_FLAGS = "--skip-torch-cuda-test --always-cpu --all-in-fp32"
_FOLDER = "huggingface/runwayml/stable-diffusion-v1-5"
_WIDTH = 32


@cache
def start(home: Path) -> None:
    """Import Forge as its launcher does; `home` becomes its data folder."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "IGNORE_CMD_ARGS_ERRORS": "1"}
    os.environ.update(offline, HF_HOME=str(home))
    path = os.environ["FORGE_PATH"]
    sys.path.insert(0, path)
    os.chdir(path)
    sys.argv = ["webui.py", *_FLAGS.split(), "--data-dir", str(home)]
    importlib.import_module("modules.timer")
    importlib.import_module("modules_forge.initialization").initialize_forge()
    initialize = importlib.import_module("modules.initialize")
    initialize.imports()
    initialize.initialize()
    _reduce(Path(path) / "backend" / _FOLDER, home)


def load(kind: str, folder: Path, seed: int = 0) -> Any:
    """A checkpoint with random weights, loaded by Forge itself; only sd1."""
    assert kind == "sd1", kind
    start(folder.parent)
    from tests.checkpoints import tiny, write_single_file

    path = write_single_file(folder / "random-sd1.safetensors", tiny("sd1"), seed=seed)
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


def _reduce(configs: Path, home: Path) -> None:
    """The sizes that Forge has in its code and in its copies of configs."""
    guess = importlib.import_module("huggingface_guess.model_list").SD15
    guess.unet_config = guess.unet_config | {"context_dim": _WIDTH, "model_channels": _WIDTH}
    copy = home / _FOLDER
    shutil.copytree(configs, copy)
    _edit(copy / "vae", block_out_channels=[32, 32, 64, 64], layers_per_block=1)
    text = {"hidden_size": _WIDTH, "projection_dim": _WIDTH, "intermediate_size": 4 * _WIDTH}
    _edit(copy / "text_encoder", **text, num_hidden_layers=3, num_attention_heads=1)
    importlib.import_module("backend.loader").dir_path = str(home)
    engine = importlib.import_module("backend.diffusion_engine.sd15")
    engine.ClassicTextProcessingEngine = _narrow(engine.ClassicTextProcessingEngine)


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _narrow(kind: Callable[..., Any]) -> Callable[..., Any]:
    def made(**options: Any) -> Any:
        return kind(**options | {"embedding_expected_shape": _WIDTH})

    return made
