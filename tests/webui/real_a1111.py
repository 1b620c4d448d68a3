"""A real AUTOMATIC1111 in this process, on the processor, with reduced random checkpoints.

`A1111_PATH` is its folder. Its own loader builds the model; see `a1111_files` for the sizes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.checkpoints import Layout

from .a1111_files import OPEN_CLIP, family_of, open_clip_config, write_checkpoint, write_hub

_FLAGS = "--skip-torch-cuda-test --use-cpu all --no-half --precision full --no-download-sd-model"


@cache
def start(home: Path, layout: Layout | None = None) -> None:
    """Import the web UI as its launcher does; `home` becomes its data folder. `layout`: that of
    the text encoder, which is a reduced one otherwise."""
    write_hub(home, layout)
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "IGNORE_CMD_ARGS_ERRORS": "1"}
    os.environ.update(offline, HF_HOME=str(home))
    path = os.environ["A1111_PATH"]
    sys.path.insert(0, path)
    os.chdir(path)
    sys.argv = ["webui.py", *_FLAGS.split(), "--data-dir", str(home)]
    initialize = importlib.import_module("modules.initialize")
    initialize.imports()
    initialize.initialize()


def load(kind: str, folder: Path, seed: int = 0) -> Any:
    """A checkpoint with random weights, loaded by the web UI itself."""
    path = folder / f"{kind}.safetensors"
    write_checkpoint(kind, path, Path(os.environ["A1111_PATH"]), seed)
    return load_file(path, kind)


def load_file(path: Path, kind: str, layout: Layout | None = None) -> Any:
    """A checkpoint of `write_checkpoint`, or of a whole `layout` without a yaml beside it.
    Embeddings lie in its folder."""
    start(path.parent.parent, layout)
    _reduce_open_clip(kind, path.parent)
    models = importlib.import_module("modules.sd_models")
    shared = importlib.import_module("modules.shared")
    info = models.CheckpointInfo(str(path))
    info.register()
    shared.cmd_opts.embeddings_dir = str(path.parent)
    return models.load_model(info)


def _reduce_open_clip(kind: str, folder: Path) -> None:
    """SDXL's and SD2's have different sizes, under one name."""
    path = folder / f"{OPEN_CLIP}.json"
    path.write_text(json.dumps(open_clip_config(family_of(kind))))
    importlib.import_module("open_clip").add_model_config(path)
