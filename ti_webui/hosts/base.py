"""What the web UIs' hosts have in common."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from modules import devices, sd_models, shared

from ti_core.errors import NoModelError
from ti_core.hosts.common.host import BaseHost
from ti_core.hosts.common.precision import HALF_DTYPES
from ti_core.port.session import Precision

_PRECISIONS: dict[torch.dtype, Precision] = {dtype: name for name, dtype in HALF_DTYPES.items()}


class WebUIHost(BaseHost):
    """The part of `port.Host` that does not depend on how a program keeps its checkpoint."""

    busy = threading.Lock()
    """One session in the process."""

    def embeddings_dir(self) -> Path:
        """The program's `--embeddings-dir`."""
        return Path(shared.cmd_opts.embeddings_dir)

    def hypernetworks_dir(self) -> Path:
        """The program's `--hypernetwork-dir`, where it has one."""
        own = getattr(shared.cmd_opts, "hypernetwork_dir", "")
        return Path(own) if own else super().hypernetworks_dir()

    def _usual_precision(self) -> Precision:
        """A web UI that computes in fp16 has its reasons; widening everything would fill the
        GPU."""
        return _PRECISIONS.get(devices.dtype, "no")


def no_checkpoint(
    why: str = "", fix: str = "wait until it is loaded, or choose one at the top left of the page"
) -> NoModelError:
    """The error for a web UI that has not loaded a checkpoint (yet)."""
    return NoModelError("no checkpoint is loaded", why, fix)


def check_loaded(model: object) -> None:
    """Raise NoModelError if the web UI has loaded another checkpoint, or unloaded this one."""
    now = sd_models.model_data.sd_model
    if now is not model:
        info = getattr(now, "sd_checkpoint_info", None)
        raise NoModelError(
            "the checkpoint was unloaded" if info is None else "the checkpoint was changed",
            f"the web UI has {getattr(info, 'name_for_extra', 'none')} loaded now",
            "load the one that the training began with, and resume",
        )


@contextmanager
def set_attribute(thing: object, name: str, value: object) -> Iterator[None]:
    """While open, an attribute has another value."""
    before = getattr(thing, name)
    setattr(thing, name, value)
    try:
        yield
    finally:
        setattr(thing, name, before)


@contextmanager
def set_options(wanted: Mapping[str, object]) -> Iterator[None]:
    """While open, the web UI's settings have these values; they may be unknown to it."""
    data = shared.opts.data
    found = {key: data[key] for key in wanted if key in data}
    try:
        data.update(wanted)
        yield
    finally:
        for key in wanted:
            del data[key]
        data.update(found)
