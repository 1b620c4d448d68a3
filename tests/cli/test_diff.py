"""`ti diff`: two files side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ti_core.files.embedding import Embedding
from ti_core.files.safetensors_file import write_safetensors
from ti_core.files.writing import write_embedding

Ti = Callable[..., tuple[int, str, str]]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two embeddings that differ in everything."""
    write_embedding(
        tmp_path / "one.safetensors",
        Embedding("one", {"emb_params": torch.tensor([[3.0, 4.0]])}, 0, {"note": "a\x1b[2J" * 40}),
    )
    write_embedding(
        tmp_path / "two.pt",
        Embedding("two", {"emb_params": torch.tensor([[4.0, 3.0], [1, 1]])}, 9),
        "pt",
    )
    return [str(tmp_path / name) for name in ("one.safetensors", "two.pt")]


def test_differences_are_spelled_out(ti: Ti, files: list[str]) -> None:
    code, out, _ = ti("diff", *files)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "the vectors differ"
    assert "  vectors: 1 | 2" in lines
    assert "  step: 0 | 9" in lines
    assert "  emb_params 0: cosine 0.9600, distance 1.414, lengths 5 | 5" in lines
    (note,) = (line for line in lines if line.startswith("  note:"))
    assert note.endswith("… | –")
    assert "\x1b" not in out


def test_a_file_is_equal_to_itself(ti: Ti, files: list[str]) -> None:
    assert ti("diff", files[0], files[0]) == (0, "the vectors are equal\n", "")


def test_json_tells_everything(ti: Ti, files: list[str]) -> None:
    found = json.loads(ti("diff", "--json", *files)[1])
    assert found["equal"] is False
    assert found["counts"] == [1, 2]
    assert found["vectors"]["emb_params"][0]["cosine"] == pytest.approx(0.96)
    assert found["metadata"]["note"] == ["a\x1b[2J" * 40, None]


def test_terms_are_chosen_in_the_order_of_the_files(ti: Ti, tmp_path: Path) -> None:
    tables = {"<cat>": torch.ones(1, 768), "<dog>": torch.zeros(1, 768)}
    write_safetensors(tmp_path / "two.safetensors", tables, {})
    two = ("two.safetensors", "two.safetensors")
    assert ti("diff", *two, "--terms", "<cat>", "<cat>")[1].startswith("the vectors are equal")
    assert ti("diff", *two, "--terms", "<cat>", "<dog>")[1].startswith("the vectors differ")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_two_files_are_wanted(ti: Ti, files: list[str], count: int) -> None:
    code, _, err = ti("diff", *[files[0]] * count)
    assert (code, f"two files are needed, not {count}" in err) == (2, True)
