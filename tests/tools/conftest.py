"""Hosts and files for the tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeEncoder, FakeHost
from ti_core.port.session import Session

Save = Callable[..., Path]


@pytest.fixture
def host() -> FakeHost:
    """A tiny model for SD1."""
    return FakeHost()


@pytest.fixture
def session(host: FakeHost) -> Iterator[Session]:
    """An open session of it."""
    with host.session() as opened:
        yield opened


def vocabulary_of(host: FakeHost, key: str) -> torch.Tensor:
    """The table of a text encoder, not a copy."""
    encoder = host.encoders[key]
    assert isinstance(encoder, FakeEncoder)
    return encoder.tokens.weight


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes `<name>.safetensors` with rows of one number each."""

    def write(name: str, *numbers: float, width: int = 12, folder: str = "", **about: str) -> Path:
        rows = torch.tensor(numbers).reshape(-1, 1).expand(-1, width).contiguous()
        path = tmp_path / folder / f"{name}.safetensors"
        write_embedding(path, Embedding(name, {"emb_params": rows}, 0, about))
        return path

    return write
