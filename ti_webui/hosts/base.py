"""What the web UIs' hosts have in common."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from modules import sd_models, shared

from ti_core.errors import NoModelError
from ti_core.hosts.common.host import BaseHost


class WebUIHost(BaseHost):
    """The part of `port.Host` that does not depend on how a program keeps its checkpoint."""

    busy = threading.Lock()
    """One session in the process."""

    def embeddings_dir(self) -> Path:
        """The program's `--embeddings-dir`."""
        return Path(shared.cmd_opts.embeddings_dir)


def no_checkpoint(why: str, fix: str) -> NoModelError:
    """The error for a web UI that has not loaded a checkpoint (yet)."""
    return NoModelError("no checkpoint is loaded", why, fix)


def check_loaded(model: Any) -> None:
    """Raise NoModelError if the web UI has loaded another checkpoint, or unloaded this one."""
    now = sd_models.model_data.sd_model
    if now is not model:
        info = getattr(now, "sd_checkpoint_info", None)
        raise NoModelError(
            "the checkpoint was unloaded" if info is None else "the checkpoint was changed",
            f"the web UI has {getattr(info, 'name_for_extra', 'none')} loaded now",
            "load the one that the training began with, and resume",
        )
