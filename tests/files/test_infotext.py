"""Generation parameters in pictures, as A1111 writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ti_core import __version__
from ti_core.errors import FileError, StorageError
from ti_core.files.infotext import infotext, read_infotext, read_parameters, save_png
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


@pytest.mark.parametrize("negative", ["", "blurry, dark"])
def test_what_is_written_is_read_back(tmp_path: Path, negative: str) -> None:
    request = replace(REQUEST, prompt="a Käse,\n猫", negative_prompt=negative, cfg_scale=5.5)
    text = infotext(request, 7, replace(FACTS, checkpoint_name='a, b: "c"'), {"x": "1", "y": "2"})
    save_png(tmp_path / "a.png", Image.new("RGB", (8, 8)), text)
    assert read_infotext(read_parameters(tmp_path / "a.png")) == {
        "prompt": "a Käse,\n猫",
        "negative_prompt": negative,
        "steps": 20,
        "seed": 7,
        "scale": 5.5,
        "W": 64,
        "H": 128,
        "sampler": "DDIM",
    }


def test_latin_letters_and_the_schedule_of_newer_a1111s_are_read(tmp_path: Path) -> None:
    last = "Steps: 9, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Clip skip: 2"
    save_png(tmp_path / "a.png", Image.new("RGB", (8, 8)), f"Käse\n{last}")
    found = read_infotext(read_parameters(tmp_path / "a.png"))
    assert (found["prompt"], found["sampler"]) == ("Käse", "DPM++ 2M Karras")
    assert (found["scale"], found["clip_skip"]) == (7.0, 2)


@pytest.mark.parametrize("text", ["a cat", "a\nSteps: many, Seed: -1, Size: 5, CFG scale: x", ""])
def test_what_is_no_number_is_left_out(text: str) -> None:
    assert set(read_infotext(text)) == {"prompt", "negative_prompt"}


def test_a_picture_without_a_text_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    for name in ("a.png", "b.png"):
        with pytest.raises(FileError, match=name):
            read_parameters(tmp_path / name)
