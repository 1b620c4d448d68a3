"""Generation parameters in pictures, as A1111 writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ti_core import __version__
from ti_core.errors import StorageError
from ti_core.files.infotext import infotext, save_png
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import PreviewRequest, TextOptions

REQUEST = PreviewRequest("a cat", width=64, height=128, steps=20, cfg_scale=7.0, sampler="DDIM")
FACTS = FakeHost().describe()


def test_the_text_has_the_fields_of_a1111() -> None:
    assert infotext(replace(REQUEST, negative_prompt="blurry"), 5, FACTS, {}) == (
        "a cat\nNegative prompt: blurry\n"
        "Steps: 20, Sampler: DDIM, CFG scale: 7.0, Seed: 5, Size: 64x128, "
        f"Model hash: 0000000000, Model: fake, Version: textual-inversion-studio {__version__}"
    )


def test_fields_without_a_value_are_left_out() -> None:
    text = infotext(REQUEST, 0, replace(FACTS, checkpoint_hash=""), {})
    assert not any(word in text for word in ("Negative", "hash", "Clip skip"))


def test_clip_skip_and_the_hashes_of_embeddings_are_told() -> None:
    request = replace(REQUEST, text=TextOptions(clip_skip=2))
    text = infotext(request, 0, FACTS, {"cat": "abc", "dog": "def"})
    assert 'Clip skip: 2, TI hashes: "cat: abc, dog: def"' in text


def test_a_model_name_with_a_comma_is_quoted_as_a1111_does() -> None:
    text = infotext(REQUEST, 0, replace(FACTS, checkpoint_name="a, b: c"), {})
    assert 'Model: "a, b: c", Version' in text


@pytest.mark.parametrize("prompt", ["a cat", "ein Käse, 猫 🐈", "two\nlines"])
def test_a_picture_carries_its_text_and_is_unchanged(tmp_path: Path, prompt: str) -> None:
    picture = Image.effect_noise((16, 8), 50).convert("RGB")
    save_png(tmp_path / "a.png", picture, prompt)
    with Image.open(tmp_path / "a.png") as found:
        assert found.text["parameters"] == prompt  # type: ignore[attr-defined]
        assert found.tobytes() == picture.tobytes()


def test_a_picture_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        save_png(tmp_path / "file" / "a.png", Image.new("RGB", (8, 8)), "")
