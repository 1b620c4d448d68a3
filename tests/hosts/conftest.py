"""Tiny checkpoints of every family, opened once for all tests of the standalone host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.checkpoints import Family, tiny, write_folder, write_single_file
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.hosts.standalone.weights import Storage

OpenHost = Callable[[str], DiffusersHost]


@contextmanager
def in_fp32(host: DiffusersHost) -> Iterator[None]:
    """While open, the host's networks can be called as they are."""
    for weights in host.model.weights.values():
        weights.place(Storage(torch.device("cpu")))
    try:
        yield
    finally:
        for weights in host.model.weights.values():
            weights.put_back()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Paths by name: "sd1", "sd2", "sdxl" are single files, "sd1-folder"… diffusers folders."""
    base = tmp_path_factory.mktemp("models")

    @cache
    def path(name: str) -> Path:
        family, _, folder = name.partition("-")
        assert family in ("sd1", "sd2", "sdxl")
        kind: Family = family  # type: ignore[assignment]
        if folder:
            return write_folder(base / name, kind)
        return write_single_file(base / f"{name}.safetensors", tiny(kind))

    return path


@pytest.fixture(scope="session")
def open_host(models: Callable[[str], Path]) -> OpenHost:
    """Opens a model of `models` on the CPU; the same host for the same name."""
    return cache(lambda name: DiffusersHost.open(models(name), device="cpu"))
