"""A change of a sealed file is noticed, whatever it is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ti_core.errors import FileError
from ti_core.files.seal import SEAL, read_sealed_json, require_whole, write_sealed_json

VALUES: dict[str, object] = {
    "name": "käse",
    "path": "with \udce9",
    "train": {"steps": [1, 2.5, None, True]},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sealed file."""
    write_sealed_json(tmp_path / "x.json", VALUES)
    return tmp_path / "x.json"


def test_what_was_written_is_read(path: Path) -> None:
    assert read_sealed_json(path) == VALUES
    assert json.loads(path.read_bytes())[SEAL].startswith("ti.sha256:")


def test_equal_values_are_equal_bytes(path: Path, tmp_path: Path) -> None:
    write_sealed_json(tmp_path / "y.json", VALUES)
    assert (tmp_path / "y.json").read_bytes() == path.read_bytes()


def test_every_single_flipped_bit_is_found(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(FileError, match="damaged"):
                read_sealed_json(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_damaged(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(FileError):
        read_sealed_json(path)


def test_a_file_that_never_had_a_seal_is_read(path: Path) -> None:
    path.write_text('{"train": 1}')
    assert read_sealed_json(path) == {"train": 1}


def test_a_line_that_was_deleted_on_purpose_takes_the_seal_off(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert SEAL in lines[1]
    path.write_text("\n".join([lines[0], *lines[2:]]).replace("2.5", "3.5"), "utf-8")
    assert read_sealed_json(path)["train"] == {"steps": [1, 3.5, None, True]}


def test_a_seal_within_a_text_is_no_seal(tmp_path: Path) -> None:
    """A name in a file must not be able to speak for the file."""
    values = {"a": f'"{SEAL}": "ti.sha256:{"0" * 64}"'}
    write_sealed_json(tmp_path / "x.json", values)
    assert read_sealed_json(tmp_path / "x.json") == values


def test_large_files_are_read_in_parts(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr("ti_core.files.seal._HEAD_BYTES", 120)
    require_whole(io.BytesIO(path.read_bytes()), path)
    with pytest.raises(FileError):
        require_whole(io.BytesIO(path.read_bytes() + b" "), path)
