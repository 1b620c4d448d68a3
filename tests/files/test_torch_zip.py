"""torch's zip as this project writes it."""

from __future__ import annotations

import io
import json
import pickletools
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.errors import EmbeddingError
from ti_core.files.torch_pickle import read_torch_file
from ti_core.files.torch_zip import to_bytes

ROWS = torch.arange(8.0).reshape(2, 4) / 7
DATA: dict[str, Any] = {
    "string_to_token": {"*": 265},
    "string_to_param": {"*": ROWS},
    "name": "Kätzchen 猫",
    "step": 10**12,
    "sd_checkpoint": None,
}

A1111_MEMBERS = re.compile(r"^([^/]+)/((data/\d+)|version|(data\.pkl))$")
"""What the reader of every A1111 lets through; the newer ones allow two names more."""
A1111_NAMES = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage",
}
"""Of the names that A1111's reader knows, those that any file of ours needs."""


def load(data: bytes, **options: Any) -> Any:
    """torch's own reader."""
    return torch.load(io.BytesIO(data), weights_only=True, **options)


def test_torch_reads_what_was_written() -> None:
    found = load(to_bytes(DATA))
    assert torch.equal(found["string_to_param"].pop("*"), ROWS)
    assert found == {**DATA, "string_to_param": {}}


def test_torch_can_map_the_file_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "cat.pt"
    path.write_bytes(to_bytes(DATA, {"ti.step": "5"}))
    found = torch.load(path, weights_only=True, mmap=True)
    assert torch.equal(found["string_to_param"]["*"], ROWS)


def test_numbers_begin_where_torch_aligns_them() -> None:
    data = to_bytes({"a": ROWS, "b": ROWS + 1, "long name": {"c": ROWS}})
    for key in range(3):
        assert data.index((ROWS + (key == 1)).numpy().tobytes()) % 64 == 0
    assert data.count(ROWS.numpy().tobytes()) == 2


def test_only_members_and_names_stand_in_it_that_every_a1111_allows() -> None:
    with zipfile.ZipFile(io.BytesIO(to_bytes({"clip_l": ROWS, "clip_g": ROWS}))) as archive:
        names = archive.namelist()
        code = archive.read("archive/data.pkl")
    assert len(names) == 4
    assert all(map(A1111_MEMBERS.match, names))
    imported = {arg for opcode, arg, _ in pickletools.genops(code) if opcode.name == "GLOBAL"}
    assert imported == A1111_NAMES
    assert not any(
        opcode.name in ("INST", "OBJ", "BUILD") for opcode, *_ in pickletools.genops(code)
    )


def test_equal_input_gives_equal_bytes_whether_objects_are_shared_or_not() -> None:
    shared = "".join(["x", "y"])
    assert to_bytes({"a": shared, "b": shared}) == to_bytes({"a": "x" + "y", "b": "".join("xy")})
    assert to_bytes(DATA, {"b": "1", "a": "2"}) == to_bytes(dict(DATA), {"a": "2", "b": "1"})


@pytest.mark.parametrize("rows", [ROWS.t(), ROWS[:, ::2], ROWS.double(), ROWS[:0], ROWS[0, 0]])
def test_tensors_of_any_layout_become_plain_fp32(rows: torch.Tensor) -> None:
    found = load(to_bytes({"a": rows}))["a"]
    assert found.dtype == torch.float32
    assert torch.equal(found, rows.float())


def test_tensors_that_are_being_learned_are_written_without_their_gradient() -> None:
    assert not load(to_bytes({"a": ROWS.clone().requires_grad_()}))["a"].requires_grad


@settings(deadline=None)
@given(st.integers(-(2**70), 2**70), st.text(st.characters(exclude_categories=["Cs"])))
def test_whole_numbers_and_texts_of_any_kind_come_back(number: int, text: str) -> None:
    assert load(to_bytes({"number": number, "text": text, "within": {text: number}})) == {
        "number": number,
        "text": text,
        "within": {text: number},
    }


# --- notes ------------------------------------------------------------------------------------


def test_notes_lie_where_no_loader_looks(tmp_path: Path) -> None:
    notes = {"ti.step": "500", "modelspec.license": "CC0", "odd": 'PK\5\6 "é'}
    data = to_bytes({"a": ROWS}, notes)
    (tmp_path / "a.pt").write_bytes(data)
    assert set(load(data)) == {"a"}
    assert list(read_torch_file(tmp_path / "a.pt")) == ["a"]  # type: ignore[call-overload]
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert json.loads(archive.comment) == notes


def test_notes_that_no_zip_can_hold_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="too long"):
        to_bytes({"a": ROWS}, {"a": "x" * 32_000})
    longest = {"a": "x" * (32_000 - len('{"a": ""}'))}
    assert load(to_bytes({"a": ROWS}, longest)).keys() == {"a"}
