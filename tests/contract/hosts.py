"""The hosts that the contract is proved for. A new host joins by one more entry in `HOSTS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ti_core.hosts.fake import FakeHost
from ti_core.hosts.port import Host


@dataclass(frozen=True)
class Subject:
    """A host under test."""

    host: Host
    modules: Callable[[], Sequence[nn.Module]]
    """The networks that must be given back as they were found."""
    skips_layers: bool = True
    """Whether its text encoders have layers that clip skip can leave out."""


def fake(family: Any, prediction: Any = "epsilon") -> Callable[[Path], Subject]:
    """The fake host of `ti_core`."""

    def open_(folder: Path) -> Subject:
        host = FakeHost(folder, family, prediction)
        return Subject(host, lambda: [host.model], skips_layers=False)

    return open_


def diffusers(family: Any, **changes: Any) -> Callable[[Path], Subject]:
    """The standalone host with a tiny checkpoint of random weights."""

    def open_(folder: Path) -> Subject:
        pytest.importorskip("diffusers")
        pytest.importorskip("transformers")
        from tests.checkpoints import tiny, write_single_file
        from ti_core.hosts.diffusers import DiffusersHost

        path = write_single_file(folder / "model.safetensors", tiny(family), **changes)
        host = DiffusersHost.open(path, device="cpu", embeddings_dir=folder)
        return Subject(host, host._model.networks)

    return open_


HOSTS: dict[str, Callable[[Path], Subject]] = {
    "fake-sd1": fake("sd1"),
    "fake-sd2-v": fake("sd2", "v_prediction"),
    "fake-sdxl": fake("sdxl"),
    "diffusers-sd1": diffusers("sd1"),
    "diffusers-sd2-v": diffusers("sd2", v_yaml=True),
    "diffusers-sdxl": diffusers("sdxl"),
}
