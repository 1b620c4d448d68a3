"""Plain embeddings are told without torch, and like all others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ti_core.cli.inspect import embedding_facts, plain_facts
from ti_core.files.plain_embedding import read_plain
from ti_core.files.reading import read_embeddings
from ti_core.files.safetensors_file import write_safetensors

Tables = dict[str, Tensor]


def rows(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


ONE: Tables = {"emb_params": rows(3, 768)}
TWO: Tables = {"clip_l": rows(2, 768), "clip_g": rows(2, 1280, 1)}
NOTES: tuple[dict[str, str], ...] = (
    {},
    {"modelspec.trigger_phrase": "cat", "ti.step": "20", "ti.base_model": "m"},
    {"name": "kohya's", "ss_steps": "7", "ss_sd_model_name": "é"},
)


@pytest.mark.parametrize("tables", [ONE, TWO, {**TWO, "t5xxl": rows(1, 4096)}])
@pytest.mark.parametrize("notes", NOTES)
@pytest.mark.parametrize("name", ["x", "cat-step00000500", "é"])
def test_they_are_what_the_reader_of_all_files_finds(
    tmp_path: Path, tables: Tables, notes: dict[str, str], name: str
) -> None:
    path = tmp_path / f"{name}.safetensors"
    write_safetensors(path, tables, notes)
    found, (whole,) = read_plain(path), read_embeddings(path)
    assert found is not None
    ours, theirs = plain_facts(found, path), embedding_facts(whole, path)
    assert list(ours) == list(theirs)
    for key, lengths in theirs.pop("norms").items():
        assert found.norms[key] == pytest.approx(lengths, rel=1e-5)
    assert list(found.norms) == list(theirs["widths"])
    ours.pop("norms")
    assert ours == theirs


@pytest.mark.parametrize(
    "tables",
    [
        {"emb_params": rows(1, 768).half()},
        {"emb_params": rows(1, 768), "other": rows(1, 768)},
        {"emb_params": rows(1, 768) * float("nan")},
        {"emb_params": torch.tensor([[1.0, float("inf")]])},
        {"clip_g": rows(1, 1280)},
        {"emb_params": rows(1025, 8)},
        {"emb_params": torch.ones(3)},
    ],
)
def test_everything_else_needs_a_closer_look(tmp_path: Path, tables: Tables) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, tables, {})
    assert read_plain(path) is None


def test_so_does_what_is_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, ONE, {})
    content = path.read_bytes()
    for damaged in (b"", b"nothing", content[:-1], content + b"x", content[:20]):
        path.write_bytes(damaged)
        assert read_plain(path) is None
    assert read_plain(tmp_path / "missing.safetensors") is None
    assert read_plain(tmp_path) is None
    path.write_bytes(content)
    assert read_plain(path.rename(tmp_path / "x.pt")) is None


def test_ti_inspect_of_a_plain_file_does_not_load_torch(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, ONE, {"ti.step": "5"})
    code = (
        "import sys; from ti_core.cli.main import main; code = main(sys.argv[1:]); "
        "sys.exit(code or 'torch' in sys.modules or 'numpy' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(path)], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("x: 3 vector(s), emb_params 768 wide (SD 1.x), step 5\n")
