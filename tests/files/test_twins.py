"""Files of one name beside each other."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import torch

from ti_core.files.embedding import Embedding
from ti_core.files.library import Library
from ti_core.files.twins import twin_warning
from ti_core.files.writing import write_embedding


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("cat.pt cat.safetensors", "ComfyUI uses cat.safetensors, A1111 cat.safetensors,"),
        ("cat.pt cat.bin", "ComfyUI uses cat.pt, A1111 cat.pt,"),
        (
            "cat.pt CAT.PT cat.preview.png cat.json",
            "CAT.PT and cat.pt have the same name: ComfyUI uses cat.pt, A1111 CAT.PT,",
        ),
        ("cat.pt dog.pt cat.png cat.pt.before-1", ""),
    ],
)
def test_only_one_of_several_files_is_used(tmp_path: Path, names: str, told: str) -> None:
    for name in names.split():
        (tmp_path / name).write_bytes(b"")
    warning = twin_warning(tmp_path / "cat.pt")
    assert told in warning
    assert bool(told) == bool(warning)


@pytest.mark.parametrize("endings", [(".pt", ".safetensors"), (".safetensors", ".pt")])
def test_list_and_warning_agree_on_the_twin_that_is_used(
    tmp_path: Path, endings: tuple[str, str]
) -> None:
    """macOS spells accents as signs of their own; converting writes them composed."""
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    new, old = tmp_path / f"{composed}{endings[0]}", tmp_path / f"{decomposed}{endings[1]}"
    for path in (new, old):
        write_embedding(
            path, Embedding("café", {"emb_params": torch.ones(1, 768)}), path.suffix[1:]
        )
    library = Library([tmp_path])
    library.refresh()
    (clash,) = library.clashes()
    assert clash.winner.path == min(new, old)
    assert f"A1111 {clash.winner.path.name}" in twin_warning(new)
    assert f"ComfyUI uses {new.name}," in twin_warning(new)
