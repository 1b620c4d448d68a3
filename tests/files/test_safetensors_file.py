"""The safetensors container, against the reference implementation and against liars."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ti_core.errors import FileError
from ti_core.files.safetensors_directory import read_header
from ti_core.files.safetensors_file import read_safetensors, to_bytes

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    values = torch.arange(torch.Size(shape).numel(), dtype=torch.float64) - 3
    return values.reshape(shape).to(draw(st.sampled_from(DTYPES)))


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name != "__metadata__"
)
files = st.dictionaries(names, tensors(), max_size=4)
notes = st.dictionaries(names, st.text(st.characters(exclude_categories=["Cs"])), max_size=4)


def equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return set(one) == set(two) and all(
        one[key].dtype == two[key].dtype and torch.equal(one[key], two[key]) for key in one
    )


@same_folder
@given(files, notes)
def test_the_reference_reads_what_we_write(
    tmp_path: Path, content: dict[str, Tensor], metadata: dict[str, str]
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(to_bytes(content, metadata))
    with safetensors.safe_open(path, framework="pt") as opened:
        assert opened.metadata() == metadata
        assert equal({key: opened.get_tensor(key) for key in opened.keys()}, content)  # noqa: SIM118


@same_folder
@given(files, notes)
def test_we_read_what_the_reference_writes(
    tmp_path: Path, content: dict[str, Tensor], metadata: dict[str, str]
) -> None:
    """Without metadata it is given none: its header for {} and {} is not JSON."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.torch.save(content, metadata or None))
    found, noted = read_safetensors(path)
    assert equal(found, content)
    assert noted == metadata


@given(files, notes)
def test_equal_contents_are_equal_files_in_any_order(
    content: dict[str, Tensor], metadata: dict[str, str]
) -> None:
    turned = dict(reversed(content.items())), dict(reversed(metadata.items()))
    assert to_bytes(content, metadata) == to_bytes(*turned)


def test_views_and_learnables_are_written_as_their_values(tmp_path: Path) -> None:
    table = torch.arange(12.0).reshape(3, 4)
    given_ = {"turned": table.T, "part": table[1], "learned": table.clone().requires_grad_()}
    path = tmp_path / "a.safetensors"
    path.write_bytes(to_bytes(given_, {}))
    assert equal(read_safetensors(path)[0], {k: v.detach() for k, v in given_.items()})


# --- files that lie ---------------------------------------------------------------------------


def lie(path: Path, header: Any, data: bytes = b"\0" * 16) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(dtype: Any = "F32", shape: Any = (4,), offsets: Any = (0, 16)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


LIES = {
    "not an object": [1],
    "not JSON": b"{nonsense",
    "not text": b"\xff\xfe\xfd",
    "an endless number": b'{"a":' + b"9" * 5000 + b"}",
    "a deep nest": b"[" * 100_000,
    "metadata is a list": {"__metadata__": []},
    "entry is a number": {"a": 5},
    "no shape": {"a": {"dtype": "F32", "data_offsets": [0, 16]}},
    "unknown type": {"a": entry(dtype="F3")},
    "type is a list": {"a": entry(dtype=[])},
    "shape is an object": {"a": entry(shape={}, offsets=[0, 4])},
    "shape is text": {"a": entry(shape="", offsets=[0, 4])},
    "shape is negative": {"a": entry(shape=[-2, -2])},
    "shape is a fraction": {"a": entry(shape=[4.0])},
    "shape is true": {"a": entry(shape=[4, True])},
    "shape is larger than the data": {"a": entry(shape=[2**40])},
    "empty, and too large for a machine": {"a": entry(shape=[0, 2**70], offsets=[0, 0])},
    "shape overflows": {"a": entry(shape=[2**62, 2**62])},
    "offsets turned round": {"a": entry(offsets=[16, 0])},
    "offsets beyond the file": {"a": entry(offsets=[16, 32])},
    "offset is negative": {"a": entry(offsets=[-16, 0])},
    "three offsets": {"a": entry(offsets=[0, 8, 16])},
    "two tensors in one place": {"a": entry(), "b": entry()},
}


@pytest.mark.parametrize("header", LIES.values(), ids=LIES.keys())
def test_a_header_that_lies_is_a_file_error(tmp_path: Path, header: Any) -> None:
    with pytest.raises(FileError, match="cannot read"):
        read_safetensors(lie(tmp_path / "a.safetensors", header))


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\0" * 8, b"\xff" * 64, b"GIF89a" * 9])
def test_what_is_no_safetensors_file_is_a_file_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileError):
        read_header(path)


def test_a_header_longer_than_the_file_is_never_allocated(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(FileError):
        read_header(path)


def test_a_header_of_absurd_length_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**25) + b"{")
        file.truncate(2**26)
    with pytest.raises(FileError, match="more than any model needs"):
        read_header(path)


def test_a_header_of_too_many_objects_is_refused_before_they_are_made(tmp_path: Path) -> None:
    """Three bytes each in the file, hundreds in memory."""
    header = b'{"a":[' + b"{}," * 500_000 + b"{}]}"
    with pytest.raises(FileError, match="more entries than any model needs"):
        read_safetensors(lie(tmp_path / "a.safetensors", header))


def test_only_the_tensors_that_are_wanted_are_read(tmp_path: Path) -> None:
    """The others may be of types that this version of torch does not know."""
    header = {"a": entry(), "b": entry("F4", [8], [16, 20]), "__metadata__": {"n": "x"}}
    path = lie(tmp_path / "a.safetensors", header, bytes(20))
    tensors, metadata = read_safetensors(path, lambda found: [key for key in found if key == "a"])
    assert tensors.keys() == {"a"}
    assert metadata == {"n": "x"}
    with pytest.raises(FileError, match="unknown type F4"):
        read_safetensors(path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_numbers_of_eight_bits_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.tensor([1.0, -2.0, 0.5]).to(dtype)
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.torch.save({"a": tensor}))
    found = read_safetensors(path)[0]["a"]
    assert found.dtype == dtype
    assert torch.equal(found.float(), tensor.float())


def test_a_folder_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="it is a folder"):
        read_safetensors(tmp_path)


def test_a_missing_file_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        read_safetensors(tmp_path / "nothing.safetensors")


whole = to_bytes({"emb_params": torch.arange(8.0).reshape(2, 4)}, {"ti.step": "5"})


@same_folder
@given(st.integers(0, len(whole) - 1))
def test_a_file_cut_off_anywhere_is_a_file_error(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(whole[:length])
    with pytest.raises(FileError):
        read_safetensors(path)


@same_folder
@given(st.integers(0, len(whole) - 1), st.integers(0, 255))
def test_a_file_with_a_wrong_byte_is_read_or_refused_but_never_crashes(
    tmp_path: Path, place: int, byte: int
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    with suppress(FileError):
        read_safetensors(path)
