"""Sheets of pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ti_core.compare.copies import copy_files, read_copies
from ti_core.compare.embeddings import EmbeddingCopy
from ti_core.compare.events import PictureReady, Progress, SheetReady
from ti_core.compare.sheet import LARGEST_CELL, Sheets, draw_sheets, read_weights
from ti_core.compare.subject import Copy
from ti_core.errors import ConfigError
from ti_core.events import Event
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import PreviewRequest, Vectors

BASE = PreviewRequest(prompt="", width=64, height=64, seed=5, count=2)


@pytest.fixture
def copies(run_folder: Path, host: FakeHost) -> list[Copy]:
    return read_copies(copy_files(run_folder), host.describe())


def test_there_is_a_sheet_for_each_prompt_and_every_picture_is_kept_with_its_parameters(
    copies: list[Copy], host: FakeHost, tmp_path: Path
) -> None:
    sheets = Sheets("zz-thing", ("a [name]", "[name] in snow"), (0.7, 1.0), BASE)
    events: list[Event] = []
    with host.session() as session:
        made = draw_sheets(
            sheets, copies, session, host.describe(), tmp_path / "out", events.append
        )
    assert [path.name for path in made] == ["sheet-1.png", "sheet-2.png"]
    kept = sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir())
    assert len(kept) == 2 * 3 * 2 * 2
    assert kept[0] == "1-zz-thing-000010-0.7-5.png"
    with Image.open(tmp_path / "out" / "pictures" / kept[0]) as picture:
        told = picture.info["parameters"]
    assert told.startswith("a (zz-thing:0.7)\n")
    assert "Seed: 5" in told
    assert "TI hashes: " in told
    progress = [event for event in events if isinstance(event, Progress)]
    assert (progress[-1].done, progress[-1].total) == (24, 24)
    pictures = [event for event in events if isinstance(event, PictureReady)]
    assert all(event.path.is_file() for event in pictures)
    assert len({event.path for event in pictures}) == len(pictures) == progress[-1].total
    assert {(e.weight, e.seed) for e in pictures} == {(0.7, 5), (0.7, 6), (1.0, 5), (1.0, 6)}
    assert [e.prompt for e in events if isinstance(e, SheetReady)] == ["a [name]", "[name] in snow"]


def test_a_row_of_the_sheet_is_a_copy_and_shows_its_pictures(
    copies: list[Copy], host: FakeHost, tmp_path: Path
) -> None:
    sheets = Sheets("zz-thing", ("a [name]",), (1.0,), BASE)
    with host.session() as session:
        (path,) = draw_sheets(sheets, copies, session, host.describe(), tmp_path / "out")
        (first, _) = session.preview(replace(BASE, prompt="a zz-thing"), _words(copies[0]))
    with Image.open(path) as sheet:
        assert _contains(np.asarray(sheet), np.asarray(first))


def _words(copy: Copy) -> dict[str, Vectors]:
    assert isinstance(copy, EmbeddingCopy)
    return {"zz-thing": copy.vectors}


def _contains(sheet: NDArray[np.uint8], picture: NDArray[np.uint8]) -> bool:
    height, width = picture.shape[:2]
    return any(
        np.array_equal(sheet[y : y + height, x : x + width], picture)
        for y in range(sheet.shape[0] - height + 1)
        for x in range(sheet.shape[1] - width + 1)
        if (sheet[y, x] == picture[0, 0]).all()
    )


def test_large_pictures_are_made_smaller_for_the_sheet_only(
    copies: list[Copy], host: FakeHost, tmp_path: Path
) -> None:
    base = replace(BASE, width=512, height=768, count=1)
    sheets = Sheets("zz-thing", ("a [name]",), base=base)
    with host.session() as session:
        (path,) = draw_sheets(sheets, copies, session, host.describe(), tmp_path / "out")
    kept = next((tmp_path / "out" / "pictures").iterdir())
    with Image.open(kept) as picture, Image.open(path) as sheet:
        assert picture.size == (512, 768)
        assert sheet.height < 3 * LARGEST_CELL + 150


def test_a_sheet_that_is_stopped_half_way_is_left_out(
    copies: list[Copy], host: FakeHost, tmp_path: Path
) -> None:
    sheets = Sheets("zz-thing", ("a [name]", "[name] in snow"), base=replace(BASE, count=1))
    events: list[Event] = []
    with host.session() as session:
        made = draw_sheets(
            sheets, copies, session, host.describe(), tmp_path / "out", events.append,
            lambda: len(events) >= 5,
        )  # fmt: skip
    assert [path.name for path in made] == ["sheet-1.png"]
    assert not (tmp_path / "out" / "sheet-2.png").exists()


def test_the_weight_is_written_as_in_a_prompt() -> None:
    sheets = Sheets("cat", ("a [name], [name] --n [name] --d 5 --w 64",))
    request = sheets.request(sheets.prompts[0], 1.3)
    assert request.prompt == "a (cat:1.3), (cat:1.3)"
    assert (request.negative_prompt, request.seed, request.width) == ("(cat:1.3)", 5, 64)
    assert sheets.request("a [name]").prompt == "a cat"


@pytest.mark.parametrize("text", ["0.7, 1,1.3", "0.7 1 1.3 1", "0.7;1;1.3"])
def test_weights_are_read_as_people_write_them(text: str) -> None:
    assert read_weights(text) == (0.7, 1.0, 1.3)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "inf", "11"])
def test_weights_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the weights are"):
        read_weights(text)


def test_a_prompt_without_the_word_is_refused_because_nothing_would_differ() -> None:
    with pytest.raises(ConfigError, match=r"does not hold \[name\]"):
        Sheets("zz-thing", ("a cat",))


def test_more_pictures_than_anybody_can_look_at_are_refused() -> None:
    with pytest.raises(ConfigError, match="1200 images"):
        Sheets("zz-thing", ("a [name]",), (1.0,), replace(BASE, count=3)).count(400)


# --- without the word -------------------------------------------------------------------------


def pictures_of(folder: Path) -> dict[str, str]:
    """Name → prompt and negative prompt of every picture that was kept."""
    found = {}
    for path in sorted((folder / "pictures").iterdir()):
        with Image.open(path) as picture:
            found[path.name] = picture.info["parameters"].partition("\nSteps")[0]
    return found


def test_the_word_may_be_in_the_negative_prompt_alone(
    copies: list[Copy], host: FakeHost, tmp_path: Path
) -> None:
    base = replace(BASE, count=1, negative_prompt="[name], blurry")
    sheets = Sheets("zz-thing", ("a red circle",), (1.0, 1.3), base)
    with host.session() as session:
        draw_sheets(sheets, copies, session, host.describe(), tmp_path / "out")
    found = pictures_of(tmp_path / "out")
    assert len(found) == 3 * 2
    assert found["1-zz-thing-000010-1.3-5.png"] == (
        "a red circle\nNegative prompt: (zz-thing:1.3), blurry"
    )


def test_a_baseline_leaves_the_word_out_and_comes_first(
    copies: list[Copy], host: FakeHost, tmp_path: Path
) -> None:
    base = replace(BASE, count=1, negative_prompt="[name]")
    sheets = Sheets("zz-thing", ("a [name] here",), (0.7, 1.0), base, baseline=True)
    assert sheets.count(3) == 3 * 2 + 1
    with host.session() as session:
        (path,) = draw_sheets(sheets, copies, session, host.describe(), tmp_path / "out")
        (plain,) = session.preview(replace(base, prompt="a  here", negative_prompt=""), {})
    found = pictures_of(tmp_path / "out")
    assert len(found) == 7
    assert found["1-without-0.7-5.png"] == "a  here"
    with (
        Image.open(tmp_path / "out" / "pictures" / "1-without-0.7-5.png") as kept,
        Image.open(path) as all_,
    ):
        assert np.array_equal(np.asarray(kept), np.asarray(plain))
        assert _contains(np.asarray(all_), np.asarray(plain))
        assert "TI hashes" not in kept.info["parameters"]


def test_a_prompt_without_the_word_gets_one_row_among_others(
    copies: list[Copy], host: FakeHost, tmp_path: Path
) -> None:
    sheets = Sheets("zz-thing", ("a [name]", "a tree"), (1.0,), replace(BASE, count=2))
    assert sheets.count(3) == 3 * 2 + 2
    with host.session() as session:
        made = draw_sheets(sheets, copies, session, host.describe(), tmp_path / "out")
    assert len(made) == 2
    assert [name for name in pictures_of(tmp_path / "out") if name.startswith("2-")] == [
        "2-without-1-5.png", "2-without-1-6.png",
    ]  # fmt: skip


def test_a_line_with_a_negative_prompt_of_its_own_does_without_the_other() -> None:
    base = replace(BASE, negative_prompt="[name]")
    with pytest.raises(ConfigError, match="does not hold"):
        Sheets("zz-thing", ("a tree --n blurry",), base=base)
