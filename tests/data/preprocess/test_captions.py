"""Captions: new ones, those that were there, and A1111's four ways to have both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.preprocess.folders import Run, put
from ti_core.data.preprocess.captions import combine_captions, describer, tagger, tidy_tags
from ti_core.data.preprocess.config import CaptionConfig, ExistingCaption, PreprocessConfig
from ti_core.errors import ConfigError, HostError


@pytest.mark.parametrize(
    ("action", "new", "existing", "wanted"),
    [
        ("ignore", "a cat", "old", "a cat"),
        ("copy", "a cat", "old", "old"),
        ("prepend", "a cat", "old", "old a cat"),
        ("append", "a cat", "old", "a cat old"),
        ("copy", "a cat", "", "a cat"),
        ("prepend", "a cat", "", "a cat"),
        ("append", "a cat", "", "a cat"),
        ("prepend", "", "old", "old"),
        ("append", "", "old", "old"),
        ("ignore", "", "old", ""),
        ("append", " a cat\n", " old\n", "a cat old"),
    ],
)
def test_existing_captions_are_joined_as_in_a1111(
    action: ExistingCaption, new: str, existing: str, wanted: str
) -> None:
    assert combine_captions(new, existing, action) == wanted


def config(**how: Any) -> PreprocessConfig:
    return PreprocessConfig(width=64, height=64, captions=CaptionConfig(**how))


@pytest.mark.parametrize("action", ["copy", "prepend", "append"])
def test_a_caption_beside_a_source_goes_with_its_picture(tmp_path: Path, action: str) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_bytes("\ufeffa dög\r\n".encode())
    run = Run(tmp_path, config(existing_caption=action))
    assert run.names() == ["00000-0-a.png", "00000-0-a.txt"]
    assert (run.out / "00000-0-a.txt").read_bytes() == "a dög".encode()


def test_no_caption_file_is_written_for_an_empty_caption(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text(" \n")
    assert Run(tmp_path, config(existing_caption="copy")).names() == ["00000-0-a.png"]


def test_captions_are_copied_where_no_new_ones_are_made(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text("a dog")
    run = Run(tmp_path)
    assert run.words("00000-0-a.txt") == "a dog"
    assert run.notices == []


@pytest.mark.parametrize("how", [{"describe": lambda image, source: "new"}, {}])
def test_captions_that_are_left_behind_are_counted_and_named(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    put(tmp_path / "in" / "a.png")
    put(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "a.txt").write_text("a dog")
    (tmp_path / "in" / "b.caption").write_text("a cat")
    run = Run(tmp_path, config() if how else config(existing_caption="ignore"), **how)
    (notice,) = run.notices
    assert notice.startswith("2 caption file(s) are left behind (a.txt): ")
    assert "`existing_caption`" in notice
    assert ("00000-0-a.txt" in run.names()) == bool(how)


def test_of_two_captions_of_a_picture_the_one_that_is_left_is_named(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text("a dog")
    (tmp_path / "in" / "a.caption").write_text("a cat")
    assert "1 caption file(s) are left behind (a.caption)" in Run(tmp_path).notices[0]


def test_a_caption_that_was_edited_in_the_destination_is_kept_aside(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text("a dog")
    out = tmp_path / "out"
    for text in ("first", "second"):
        Run(tmp_path)
        (out / "00000-0-a.txt").write_text(text)
        run = Run(tmp_path)
        assert run.words("00000-0-a.txt") == "a dog"
        assert "replaced captions/00000-0-a" in run.notes["a.png"][-1]
    kept = sorted(path.name for path in (out / "replaced captions").iterdir())
    assert kept == ["00000-0-a 2.txt", "00000-0-a.txt"]
    assert (out / "replaced captions" / "00000-0-a 2.txt").read_text() == "second"


def test_a_caption_that_is_no_text_skips_its_picture_and_says_so(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_bytes(b"\xff\xff\xff")
    run = Run(tmp_path, config(existing_caption="copy"))
    assert "not UTF-8 text" in run.reasons["a.png"]
    assert run.names() == []


def left_or_right(image: Image.Image, source: Path) -> str:
    row = np.asarray(image)[0, :, 0].astype(int)
    return f"{source.stem} grows to the {'right' if row[-1] > row[0] else 'left'}"


def test_a_flipped_copy_is_described_anew(tmp_path: Path) -> None:
    put(tmp_path / "in" / "red.png")
    run = Run(tmp_path, PreprocessConfig(width=64, height=64, flip=True), describe=left_or_right)
    assert run.words("00000-0-red.txt") == "red grows to the right"
    assert run.words("00000-1-red.txt") == "red grows to the left"


def test_a_new_caption_and_an_old_one_can_go_together(tmp_path: Path) -> None:
    put(tmp_path / "in" / "red.png")
    (tmp_path / "in" / "red.txt").write_text("[name],")
    run = Run(tmp_path, config(existing_caption="prepend"), describe=left_or_right)
    assert run.words("00000-0-red.txt") == ("[name], red grows to the right")


def test_a_caption_can_be_the_name_as_in_2022(tmp_path: Path) -> None:
    put(tmp_path / "in" / "red.png")
    run = Run(tmp_path, config(caption_in_name=True), describe=left_or_right)
    assert run.names() == ["00000-0-red grows to the right.png"]


def test_tags_of_another_program_are_found_by_the_pictures_name(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    put(tmp_path / "in" / "b.png")
    (tmp_path / "tags").mkdir()
    (tmp_path / "tags" / "a.txt").write_text("1girl, long_hair,, ^_^\n")
    run = Run(tmp_path, config(tags_dir=str(tmp_path / "tags")))
    assert run.names() == ["00000-0-a.png", "00000-0-a.txt", "00001-0-b.png"]
    assert run.words("00000-0-a.txt") == "1girl, long hair, ^_^"


def test_tags_are_spelled_as_deepbooru_does_when_asked_to() -> None:
    """A1111: sorted by alphabet, spaces for underscores, a backslash before brackets."""
    text = "solo, saber_(fate), blue_eyes"
    everything = CaptionConfig(tags_sort=True, tags_use_spaces=True, tags_escape=True)
    assert tidy_tags(text, everything) == "blue eyes, saber \\(fate\\), solo"
    assert tidy_tags(text, CaptionConfig(tags_use_spaces=False)) == text
    assert tidy_tags("a\\b", everything) == "a\\\\b"


def test_the_tags_come_after_the_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ti_core.data.preprocess import captioning

    monkeypatch.setattr(captioning, "blip", lambda config: lambda image, source: "a cat")
    (tmp_path / "a.txt").write_text("fur, paws")
    both = describer(CaptionConfig(blip_model="blip", tags_dir=str(tmp_path)))
    assert both is not None
    picture = Image.new("RGB", (8, 8))
    assert both(picture, Path("a.png")) == "a cat, fur, paws"
    assert both(picture, Path("b.png")) == "a cat"


def test_a_name_too_long_for_a_caption_file_has_none(tmp_path: Path) -> None:
    longest = "x" * 255
    put(tmp_path / "in" / "a.png").rename(tmp_path / "in" / longest)
    run = Run(tmp_path, config(existing_caption="copy", tags_dir=str(tmp_path)))
    assert run.names() == [f"00000-0-{'x' * 243}.png"]


def test_a_folder_of_tags_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    with pytest.raises(ConfigError, match="tags_dir"):
        tagger(CaptionConfig(tags_dir=str(tmp_path / "nothing")))
    with pytest.raises(ConfigError, match="tags_dir"):
        Run(tmp_path, config(tags_dir=str(tmp_path / "nothing")))
    assert not (tmp_path / "out").exists()


def test_without_transformers_blip_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(HostError, match="pip install transformers"):
        describer(CaptionConfig(blip_model="blip"))


def test_lengths_that_cross_are_refused() -> None:
    with pytest.raises(ConfigError, match="blip_max_length"):
        CaptionConfig(blip_min_length=50, blip_max_length=40)
