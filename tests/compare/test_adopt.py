"""A copy becomes the embedding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ti_core.compare.adopt import use_embedding
from ti_core.compare.copies import copy_files
from ti_core.errors import ConfigError, FileError, StorageError
from ti_core.files.reading import read_embedding


def test_the_copy_is_written_under_the_embedding_s_name(run_folder: Path, tmp_path: Path) -> None:
    copy = copy_files(run_folder)[0]
    path = use_embedding(copy, tmp_path / "into", "zz-thing")
    assert path == tmp_path / "into" / "zz-thing.safetensors"
    found, before = read_embedding(path), read_embedding(copy)
    assert torch.equal(found.vectors["emb_params"], before.vectors["emb_params"])
    assert (found.name, found.step) == ("zz-thing", 10)
    assert found.metadata["modelspec.trigger_phrase"] == "zz-thing"
    assert found.metadata["ti.config"] == before.metadata["ti.config"]
    assert copy.exists()


def test_an_embedding_that_is_there_stays_unless_it_is_to_be_replaced(
    run_folder: Path, tmp_path: Path
) -> None:
    first, second, third = copy_files(run_folder)
    path = use_embedding(first, tmp_path, "zz-thing")
    old = path.read_bytes()
    with pytest.raises(ConfigError, match=r"zz-thing\.safetensors exists already"):
        use_embedding(second, tmp_path, "zz-thing")
    assert path.read_bytes() == old
    use_embedding(second, tmp_path, "zz-thing", replace_present=True)
    newer = path.read_bytes()
    use_embedding(third, tmp_path, "zz-thing", replace_present=True)
    assert (tmp_path / "zz-thing.safetensors.before-1").read_bytes() == old
    assert (tmp_path / "zz-thing.safetensors.before-2").read_bytes() == newer
    assert read_embedding(path).step == 30


@pytest.mark.parametrize("name", ["", "../away", "a/b", "con", "<b>", ".hidden", "a.preview"])
def test_names_that_lead_away_or_that_programs_cannot_use_are_refused(
    name: str, run_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        use_embedding(copy_files(run_folder)[0], tmp_path / "into", name)
    assert not (tmp_path / "into").exists()


def test_a_bad_file_replaces_nothing(run_folder: Path, tmp_path: Path) -> None:
    path = use_embedding(copy_files(run_folder)[0], tmp_path, "zz-thing")
    old, bad = path.read_bytes(), tmp_path / "bad.safetensors"
    bad.write_bytes(b"no embedding")
    with pytest.raises(FileError):
        use_embedding(bad, tmp_path, "zz-thing", replace_present=True)
    assert path.read_bytes() == old


def test_a_write_that_fails_leaves_the_embedding(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = use_embedding(copy_files(run_folder)[0], tmp_path, "zz-thing")
    old = path.read_bytes()

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ti_core.files.atomic.os.replace", full)
    with pytest.raises(StorageError, match="the disk is full"):
        use_embedding(copy_files(run_folder)[1], tmp_path, "zz-thing", replace_present=True)
    assert path.read_bytes() == old
