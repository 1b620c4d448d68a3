"""Files of one name beside each other."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import torch

from ti_core.errors import ConfigError
from ti_core.files.embedding import Embedding
from ti_core.files.library import Library
from ti_core.files.twins import hidden_warning, require_free, twin_warning
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


@pytest.mark.parametrize("there", ["cat.safetensors", "cat.pt", "CAT.safetensors", "Cat.BIN"])
def test_a_name_is_taken_in_every_format_and_letter_case(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"")
    with pytest.raises(ConfigError, match=f"{there} exists already"):
        require_free(tmp_path / "cat.safetensors")
    require_free(tmp_path / "cat-2.safetensors")


def test_pictures_notes_and_copies_take_no_name(tmp_path: Path) -> None:
    for name in ("cat.png", "cat.json", "cat.safetensors.before-1", "cat.txt"):
        (tmp_path / name).write_bytes(b"")
    require_free(tmp_path / "cat.safetensors")


def test_a_link_is_no_second_file(tmp_path: Path) -> None:
    (tmp_path / "cat.safetensors").write_bytes(b"")
    (tmp_path / "cat.pt").symlink_to("cat.safetensors")
    assert twin_warning(tmp_path / "cat.safetensors") == ""


def test_files_in_sub_folders_are_told(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert hidden_warning(tmp_path / "cat.safetensors") == ""
    (tmp_path / "a" / "b" / "CAT.pt").write_bytes(b"")
    assert "CAT.pt has the name of cat.safetensors too" in hidden_warning(
        tmp_path / "cat.safetensors"
    )
