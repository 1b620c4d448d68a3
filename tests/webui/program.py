"""The web UI that tests import: a stand-in of ours, with the names that our hosts touch.

With `WEBUI_IN_PROCESS` ("a1111", "forge", "forge_neo" or "reforge") and the path of it the real one
is taken (tests/real_hosts does so, in a process of its own, since one can have only one `modules`).
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

STAND_IN = Path(__file__).parent / "stand_in"
Kind = Literal["sd1", "sd1-inpaint", "sd1-v", "sd2", "sd2-v", "sdxl", "sdxl-v", "sdxl-zsnr"]


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
    if os.environ.get("WEBUI_IN_PROCESS") == "a1111":
        from . import real_a1111

        return real_a1111.load(kind, folder, seed)
    _use_embeddings_in(folder)
    return module("modules.sd_models").load_random(kind, seed)


def _use_embeddings_in(folder: Path) -> None:
    module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    database = module("modules.sd_hijack").model_hijack.embedding_db
    database.embedding_dirs.clear()
    database.word_embeddings.clear()
    database.add_embedding_dir(str(folder))


def load_forge(kind: Kind, folder: Path, seed: int = 0) -> Any:
    """Forge's model object with random weights, in use; embeddings lie in `folder`."""
    if os.environ.get("WEBUI_IN_PROCESS") == "forge":
        from . import real_forge

        return real_forge.load(kind, folder, seed)
    module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    return module("backend.loader").load_random(kind, seed)


def load_forge_neo(
    kind: Any, folder: Path, seed: int = 0, engine: Literal["", "-autumn"] = ""
) -> Any:
    """Forge Neo's model object, likewise; `engine`: how it reads prompts, since when.

    The real one takes "-half" and "-fp8" at the end of a kind: how weights are stored.
    """
    if os.environ.get("WEBUI_IN_PROCESS") == "forge_neo":
        from . import real_forge_neo

        return real_forge_neo.load(kind, folder, seed)
    module("modules.shared").cmd_opts.embeddings_dir = str(folder)
    return module("backend.loader").load_random(kind, seed, f"forge_neo{engine}")


def load_reforge(kind: Kind, folder: Path, seed: int = 0) -> Any:
    """reForge's model object with random weights, in use; embeddings lie in `folder`."""
    if os.environ.get("WEBUI_IN_PROCESS") == "reforge":
        from . import real_reforge

        return real_reforge.load(kind, folder, seed)
    _use_embeddings_in(folder)
    return module("ldm_patched.loader").load_random(kind, seed)


def networks_of_forge(model: Any) -> list[Any]:
    """Every network with weights."""
    parts = model.forge_objects_original
    return [parts.unet.model, parts.clip.cond_stage_model, parts.vae.first_stage_model]
