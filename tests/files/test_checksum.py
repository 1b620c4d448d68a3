"""A1111's numbers. The golden values were computed by A1111's own code (1.10.1)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ti_core.files.checksum import file_shorthash, vector_checksum
from ti_core.files.embedding import Embedding

GOLDEN: dict[str, tuple[Tensor, str]] = {
    "zeros": (torch.zeros(1, 768), "0000"),
    "sevenths": (torch.arange(-8, 8).reshape(2, 8) / 7, "8748"),
    "huge and tiny": (torch.tensor([[0.29, -0.29, 1e10, -1e10, 123456.78, -0.009]]), "89f0"),
    "one": (torch.tensor([[1.0]]), "8574"),
    "two rows": (torch.linspace(-3, 3, 1536).reshape(2, 768), "3bcc"),
}


@pytest.mark.parametrize(("rows", "digits"), GOLDEN.values(), ids=GOLDEN.keys())
def test_the_checksum_of_vectors_is_that_of_a1111(rows: Tensor, digits: str) -> None:
    assert vector_checksum(Embedding("x", {"emb_params": rows})) == digits


def test_sdxl_has_no_checksum_as_in_a1111() -> None:
    vectors = {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}
    assert vector_checksum(Embedding("x", vectors)) == ""


def test_the_short_hash_is_the_beginning_of_the_sha256_of_the_whole_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "x").write_bytes(data)
    assert file_shorthash(tmp_path / "x") == hashlib.sha256(data).hexdigest()[:12]
