"""Embedding files of every program."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ti_core.errors import EmbeddingError, FileError
from ti_core.families import SD1, SD2, Release
from ti_core.files.embedding import (
    Embedding,
    for_encoders,
    with_metadata,
)
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = torch.arange(8.0).reshape(2, 4) / 7
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def described(vectors: dict[str, Tensor], release: Release = SD1.releases[0]) -> Embedding:
    return with_metadata(
        Embedding("cat", vectors, 500), release.architecture, "model", "0123456789", {"seed": 7}
    )


# --- written ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vectors", "keys"),
    [
        ({"clip_l": ROWS}, {"emb_params"}),
        ({"clip_h": ROWS}, {"emb_params"}),
        ({"clip_l": ROWS, "clip_g": torch.ones(2, 6)}, {"clip_l", "clip_g"}),
    ],
)
def test_a_file_holds_exactly_the_tensors_that_programs_expect(
    tmp_path: Path, vectors: dict[str, Tensor], keys: set[str]
) -> None:
    write_embedding(tmp_path / "cat.safetensors", described(vectors))
    found = safetensors.torch.load_file(tmp_path / "cat.safetensors")
    assert set(found) == keys
    assert all(rows.dtype == torch.float32 for rows in found.values())


def test_what_was_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "cat.safetensors"
    write_embedding(path, described({"clip_l": ROWS}))
    found = read_embedding(path)
    assert (found.name, found.step, found.count) == ("cat", 500, 2)
    assert torch.equal(found.vectors["emb_params"], ROWS)


def test_the_metadata_is_modelspec_and_ours(tmp_path: Path) -> None:
    path = tmp_path / "cat.safetensors"
    write_embedding(path, described({"clip_h": ROWS}, SD2.release("v_prediction")))
    found = read_embedding(path).metadata
    assert found["modelspec.architecture"] == "stable-diffusion-v2-768-v/textual-inversion"
    assert found["modelspec.trigger_phrase"] == "cat"
    assert (found["ti.step"], found["ti.vectors"]) == ("500", "2")
    assert json.loads(found["ti.config"]) == {"seed": 7}


def test_equal_embeddings_are_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_embedding(tmp_path / name, described({"clip_l": ROWS}))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_vectors_that_are_not_finite_never_replace_a_good_file(
    tmp_path: Path, value: float
) -> None:
    path = tmp_path / "cat.safetensors"
    write_embedding(path, described({"clip_l": ROWS}))
    with pytest.raises(EmbeddingError, match="not saved"):
        write_embedding(path, described({"clip_l": torch.full((2, 4), value)}))
    assert torch.equal(read_embedding(path).vectors["emb_params"], ROWS)


@same_folder
@given(
    count=st.integers(1, 75),
    width=st.integers(1, 8),
    step=st.integers(0, 10**7),
    name=st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
)
def test_any_embedding_makes_the_round_trip(
    tmp_path: Path, count: int, width: int, step: int, name: str
) -> None:
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(step))
    path = tmp_path / f"{name}.safetensors"
    write_embedding(path, with_metadata(Embedding(name, {"clip_l": rows}, step), "", "", "", {}))
    found = read_embedding(path)
    assert (found.name, found.step) == (name, step)
    assert torch.equal(found.vectors["emb_params"], rows)


# --- read -------------------------------------------------------------------------------------


def test_the_file_of_the_real_a1111_is_read() -> None:
    found = read_embedding(GOLDEN / "my-ref.pt")
    assert (found.name, found.step) == ("my-ref", 20)
    assert found.vectors["emb_params"].shape == (2, 768)
    assert found.vectors["emb_params"].dtype == torch.float32


LAYOUTS: dict[str, Any] = {
    "a1111.pt": {"string_to_param": {"*": ROWS}, "name": "x", "step": 9},
    "a1111-without-step.pt": {"string_to_param": {"*": ROWS}, "name": "x", "step": None},
    "kohya.pt": {"emb_params": ROWS},
    "diffusers.bin": {"<cat>": ROWS[0]},
    "half.pt": {"emb_params": ROWS.half()},
    "learned.pt": {"emb_params": ROWS.clone().requires_grad_()},
}


@pytest.mark.parametrize("file", LAYOUTS)
def test_the_layouts_of_other_programs_are_read(tmp_path: Path, file: str) -> None:
    torch.save(LAYOUTS[file], tmp_path / file)
    rows = read_embedding(tmp_path / file).vectors["emb_params"]
    assert rows.dtype == torch.float32
    assert not rows.requires_grad
    assert rows.shape == ((1, 4) if "diffusers" in file else (2, 4))


def test_both_tables_of_an_sdxl_file_are_read(tmp_path: Path) -> None:
    tables = {"clip_l": ROWS, "clip_g": torch.ones(2, 6)}
    safetensors.torch.save_file(tables, tmp_path / "a.safetensors")
    assert set(read_embedding(tmp_path / "a.safetensors").vectors) == {"clip_l", "clip_g"}


def test_a_file_is_known_by_its_content_not_by_its_ending(tmp_path: Path) -> None:
    write_embedding(tmp_path / "cat.safetensors", described({"clip_l": ROWS}))
    (tmp_path / "cat.safetensors").rename(tmp_path / "cat.pt")
    assert read_embedding(tmp_path / "cat.pt").count == 2


BROKEN: dict[str, Any] = {
    "two tensors": {"a": ROWS, "b": ROWS},
    "no tensor": {"a": 1},
    "a list": [ROWS],
    "a scalar": {"a": torch.tensor(1.0)},
    "three dimensions": {"a": torch.zeros(1, 2, 3)},
    "no vector": {"a": torch.zeros(0, 4)},
    "no width": {"a": torch.zeros(4, 0)},
    "nothing": {"a": torch.zeros(0)},
    "whole numbers": {"a": torch.zeros(2, 4, dtype=torch.long)},
    "NaN": {"a": torch.full((2, 4), float("nan"))},
    "infinite as fp32": {"a": torch.full((2, 4), 1e300, dtype=torch.float64)},
    "a checkpoint": {"a": torch.zeros(2000, 4)},
    "half of SDXL is not a tensor": {"clip_l": ROWS, "clip_g": 1},
    "an empty A1111 file": {"string_to_param": {}},
    "an odd A1111 file": {"string_to_param": 5},
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_without_usable_vectors_is_an_embedding_error(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(EmbeddingError):
        read_embedding(tmp_path / "a.pt")


@pytest.mark.parametrize("file", ["a.pt", "a.bin", "a.safetensors", "a.png"])
@pytest.mark.parametrize("content", [b"", b"\0", b"hello, this is text", b"PK\3\4rest"])
def test_a_file_of_rubbish_is_an_embedding_error(tmp_path: Path, file: str, content: bytes) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(EmbeddingError):
        read_embedding(tmp_path / file)


def test_a_missing_file_is_an_embedding_error(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="there is no embedding"):
        read_embedding(tmp_path / "nothing.pt")


def test_a_step_that_is_no_number_counts_as_none(tmp_path: Path) -> None:
    for step in ("", "x", "-1", "9" * 5000, "²"):
        cat = replace(described({"clip_l": ROWS}), metadata={"ti.step": step})
        write_embedding(tmp_path / "cat.safetensors", cat)
        assert read_embedding(tmp_path / "cat.safetensors").step == 0


@same_folder
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_wrong_byte_in_a_pickle_is_read_or_refused_but_never_crashes(
    tmp_path: Path, place: int, byte: int
) -> None:
    content = bytearray((GOLDEN / "my-ref.pt").read_bytes())
    content[place % len(content)] = byte
    (tmp_path / "a.pt").write_bytes(content)
    with suppress(FileError):
        read_embedding(tmp_path / "a.pt")


# --- fitted to a model ------------------------------------------------------------------------


def test_one_table_fits_a_model_with_one_encoder_of_its_width() -> None:
    embedding = Embedding("cat", {"emb_params": ROWS})
    assert for_encoders(embedding, {"clip_l": 4}, "cat.pt").keys() == {"clip_l"}


@pytest.mark.parametrize(
    ("vectors", "widths"),
    [
        ({"emb_params": ROWS}, {"clip_l": 768}),
        ({"emb_params": ROWS}, {"clip_l": 4, "clip_g": 6}),
        ({"clip_l": ROWS, "clip_g": ROWS}, {"clip_l": 4}),
        ({"clip_l": ROWS, "clip_g": ROWS}, {"clip_l": 4, "clip_g": 6}),
    ],
)
def test_an_embedding_of_another_family_is_refused_with_both_widths(
    vectors: dict[str, Tensor], widths: dict[str, int]
) -> None:
    with pytest.raises(EmbeddingError) as caught:
        for_encoders(Embedding("cat", vectors), widths, "cat.pt")
    assert "cat.pt" in str(caught.value)
    assert all(str(width) in caught.value.why for width in (4, *widths.values()))
