"""The web UI that tests import: a stand-in of ours, with the names that our hosts touch."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

STAND_IN = Path(__file__).parent / "stand_in"
Kind = Literal["sd1", "sd1-inpaint", "sd2", "sd2-v", "sdxl"]


@cache
def start() -> None:
    """Make `modules` importable."""
    sys.path.insert(0, str(STAND_IN))


def module(name: str) -> Any:
    """A module of the web UI, such as `modules.shared`."""
    start()
    return importlib.import_module(name)


def load(kind: Kind, folder: Path, seed: int = 0) -> Any:
    """A1111's model object with random weights, in use; embeddings lie in `folder`."""
    module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    database = module("modules.sd_hijack").model_hijack.embedding_db
    database.embedding_dirs.clear()
    database.word_embeddings.clear()
    database.add_embedding_dir(str(folder))
    return module("modules.sd_models").load_random(kind, seed)


def load_forge(kind: Kind, folder: Path, seed: int = 0) -> Any:
    """Forge's model object with random weights, in use; embeddings lie in `folder`."""
    module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    return module("backend.loader").load_random(kind, seed)


def networks_of_forge(model: Any) -> list[Any]:
    """Every network with weights."""
    parts = model.forge_objects_original
    return [parts.unet.model, parts.clip.cond_stage_model, parts.vae.first_stage_model]
