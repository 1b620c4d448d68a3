"""Preview and notes beside an embedding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.errors import StorageError
from ti_core.families import SD1, SD2, SDXL, Release
from ti_core.files.embedding import Embedding, with_metadata
from ti_core.files.sidecars import kept_notice, write_notes, write_preview

ROWS = torch.ones(2, 4)
RED, BLUE = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The embedding's file; a name with dots is nothing special."""
    return tmp_path / "my.cat.safetensors"


def cat(step: int = 500, release: Release = SD1.releases[0]) -> Embedding:
    vectors = {"clip_l": ROWS, "clip_g": ROWS} if release in SDXL.releases else {"clip_l": ROWS}
    plain = Embedding("my.cat", vectors, step)
    return with_metadata(
        plain, release.architecture, "v1-5-pruned", "e1441589a6", {}, licence="CC0-1.0"
    )


def notes(path: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.with_name("my.cat.json").read_bytes())
    return found


@pytest.mark.parametrize(
    ("release", "version"),
    [(r, v) for f, v in ((SD1, "SD1"), (SD2, "SD2"), (SDXL, "SDXL")) for r in f.releases],
)
def test_the_notes_are_those_that_a1111_shows(path: Path, release: Release, version: str) -> None:
    assert write_notes(path, cat(release=release), "a cat")
    found = notes(path)
    assert found["description"] == "a cat"
    assert found["activation text"] == "my.cat"
    assert found["sd version"] == version
    assert found["notes"].splitlines() == [
        "Vectors: 2",
        "Steps: 500",
        "Trained on: v1-5-pruned",
        "Model hash: e1441589a6",
        "Licence: CC0-1.0",
    ]


def test_a_card_tells_what_is_known_of_an_embedding(path: Path) -> None:
    write_notes(path, cat())
    assert notes(path)["description"] == "2 vector(s), 500 steps, on v1-5-pruned"


@pytest.mark.parametrize("ending", [".txt", ".description.txt"])
def test_a_description_of_the_user_s_is_not_hidden(path: Path, ending: str) -> None:
    """A1111 asks the notes first, and takes even an empty text from them."""
    path.with_suffix(ending).write_text("my own words")
    write_notes(path, cat())
    assert "description" not in notes(path)
    assert notes(path)["activation text"] == "my.cat"


def test_an_embedding_of_which_nothing_is_known_has_notes_too(path: Path) -> None:
    assert write_notes(path, Embedding("x", {"emb_params": ROWS}))
    assert notes(path)["sd version"] == "Unknown"


def test_the_preview_is_the_picture_with_its_parameters(path: Path) -> None:
    assert write_preview(path, RED.convert("RGBA"), "a cat\nSteps: 20")
    with Image.open(path.with_name("my.cat.preview.png")) as found:
        found.load()
        assert found.convert("RGB").tobytes() == RED.tobytes()
        assert found.text["parameters"] == "a cat\nSteps: 20"  # type: ignore[attr-defined]


def test_what_we_wrote_is_written_anew(path: Path) -> None:
    for step, picture in [(5, RED), (6, BLUE), (6, BLUE)]:
        assert write_notes(path, cat(step))
        assert write_preview(path, picture)
    assert "Steps: 6" in notes(path)["notes"]
    with Image.open(path.with_name("my.cat.preview.png")) as found:
        assert found.tobytes() == BLUE.tobytes()


def test_notes_that_the_user_changed_are_kept(path: Path) -> None:
    write_notes(path, cat())
    found = notes(path)
    found["description"] = "my own words"
    changed = json.dumps(found, indent=4)
    path.with_name("my.cat.json").write_text(changed, encoding="utf-8")
    assert not write_notes(path, cat(600))
    assert path.with_name("my.cat.json").read_text(encoding="utf-8") == changed


def test_notes_that_a1111_only_saved_again_are_still_ours(path: Path) -> None:
    write_notes(path, cat(), "Kätzchen")
    found = notes(path)
    path.with_name("my.cat.json").write_text(json.dumps(found), encoding="utf-8")
    assert write_notes(path, cat(600))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"ti.mark": 1}'])
def test_notes_of_others_are_kept(path: Path, content: bytes) -> None:
    path.with_name("my.cat.json").write_bytes(content)
    assert not write_notes(path, cat())
    assert path.with_name("my.cat.json").read_bytes() == content


def test_a_preview_of_others_is_kept(path: Path) -> None:
    preview = path.with_name("my.cat.preview.png")
    RED.save(preview)
    before = preview.read_bytes()
    assert not write_preview(path, BLUE)
    assert preview.read_bytes() == before


def test_a_preview_that_was_painted_over_is_kept(path: Path) -> None:
    write_preview(path, RED)
    preview = path.with_name("my.cat.preview.png")
    data = bytearray(preview.read_bytes())
    data[50] ^= 1
    preview.write_bytes(data)
    assert not write_preview(path, BLUE)
    assert preview.read_bytes() == bytes(data)


def test_what_cannot_be_looked_at_is_kept(path: Path, tmp_path: Path) -> None:
    path.with_name("my.cat.json").mkdir()
    path.with_name("my.cat.preview.png").symlink_to(tmp_path / "nowhere")
    assert not write_notes(path, cat())
    assert not write_preview(path, RED)
    assert path.with_name("my.cat.preview.png").is_symlink()


def test_equal_embeddings_have_equal_sidecars(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_notes(tmp_path / f"{name}.pt", cat())
        write_preview(tmp_path / f"{name}.pt", RED, "x")
    for ending in (".json", ".preview.png"):
        one, two = ((tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
        assert one == two


def test_the_notice_tells_which_file_and_what_to_do(path: Path) -> None:
    what, why, fix = kept_notice(path.with_suffix(".json"))
    assert "my.cat.json was kept" in what
    assert "changed" in why
    assert "delete it" in fix


def test_a_folder_that_cannot_be_written_to_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_notes(tmp_path / "file" / "cat.pt", cat())
