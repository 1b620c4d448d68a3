"""Files of one name beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ti_core.files.twins import twin_warning


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("cat.pt cat.safetensors", "ComfyUI uses the .safetensors"),
        ("cat.pt cat.bin", "ComfyUI uses the .pt"),
        ("cat.pt CAT.PT cat.preview.png cat.json", "CAT.PT and cat.pt have the same name"),
        ("cat.pt dog.pt cat.png cat.pt.before-1", ""),
    ],
)
def test_only_one_of_several_files_is_used(tmp_path: Path, names: str, told: str) -> None:
    for name in names.split():
        (tmp_path / name).write_bytes(b"")
    warning = twin_warning(tmp_path / "cat.pt")
    assert told in warning
    assert bool(told) == bool(warning)
