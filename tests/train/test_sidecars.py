"""Files beside a finished embedding."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from ti_core.files.embedding import Embedding
from ti_core.train.sidecars import write_sidecars

CAT = Embedding("cat", {"emb_params": torch.ones(1, 4)}, 5)


def test_without_a_preview_there_are_notes_only(tmp_path: Path) -> None:
    assert list(write_sidecars(tmp_path / "cat.safetensors", CAT, None)) == []
    assert [path.name for path in tmp_path.iterdir()] == ["cat.json"]


def test_a_preview_that_is_gone_is_a_notice_and_no_error(tmp_path: Path) -> None:
    found = list(write_sidecars(tmp_path / "cat.safetensors", CAT, tmp_path / "gone.png"))
    assert [notice.what for notice in found] == ["cat.preview.png was not written"]


def test_a_full_disk_or_a_forbidden_folder_is_a_notice_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    Image.new("RGB", (8, 8)).save(tmp_path / "preview.png")
    target = tmp_path / "file" / "cat.safetensors"
    found = list(write_sidecars(target, CAT, tmp_path / "preview.png"))
    assert [notice.level for notice in found] == ["warning", "warning"]


def test_previews_of_the_user_are_kept_with_a_notice(tmp_path: Path) -> None:
    for name in ("preview.png", "cat.preview.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    found = list(write_sidecars(tmp_path / "cat.pt", CAT, tmp_path / "preview.png"))
    assert [(notice.level, notice.what) for notice in found] == [
        ("info", "cat.preview.png was kept as it is")
    ]
