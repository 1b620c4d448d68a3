"""What a picture shows, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.data.captions import file_words, read_caption
from ti_core.errors import CaptionError, ConfigError, DataError


@pytest.mark.parametrize(
    ("stem", "regex", "join", "words"),
    [
        ("000001-1-a man in suit", "", " ", "a man in suit"),
        ("000001-1-a man in suit", r"\w+", ", ", "a, man, in, suit"),
        ("a man in suit", "", " ", "a man in suit"),
        ("2 cats", "", " ", "cats"),
        ("cat-2", "", " ", "cat-2"),
        ("00001", "", " ", ""),
        ("red_cat", r"([a-z])([a-z]+)", " ", "red cat"),
    ],
)
def test_file_words_are_those_of_a1111(stem: str, regex: str, join: str, words: str) -> None:
    assert file_words(stem, regex, join) == words


def test_a_broken_regex_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        file_words("cat", "(")


def test_the_caption_file_wins_over_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "001-a cat.txt").write_text("a dog")
    caption = read_caption(tmp_path / "001-a cat.png", regex=r"\w", join="-")
    assert (caption.text, caption.from_file) == ("a dog", True)
    caption = read_caption(tmp_path / "002-a cat.png")
    assert (caption.text, caption.from_file) == ("a cat", False)


@pytest.mark.parametrize(
    "content", [b"a cat", b"a cat\n", b"  a cat\r\n\r\n", b"\xef\xbb\xbfa cat\n"]
)
def test_white_space_and_marks_around_a_caption_are_dropped(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    assert read_caption(tmp_path / "x.png").text == "a cat"


def test_an_empty_caption_file_means_an_empty_caption(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    assert read_caption(tmp_path / "x.png").text == ""


@pytest.mark.parametrize(
    "content",
    [
        b"caf\xe9",
        b"\xff\xfea",
        b"\xff\xfe\x00\xd8",
        "a cat".encode("utf-16-le"),
        "a cat".encode("utf-32"),
        b"a\0cat",
    ],
    ids=["latin-1", "odd", "half a pair", "utf-16 unmarked", "utf-32", "NUL"],
)
def test_a_caption_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.txt.*UTF-8"):
        read_caption(tmp_path / "x.png")


def test_a_caption_file_of_more_than_a_megabyte_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"x" * 1_000_001)
    with pytest.raises(DataError, match=r"x\.txt.*more than 1,000,000 bytes"):
        read_caption(tmp_path / "x.png")


def test_a_picture_with_the_longest_possible_name_has_a_caption(tmp_path: Path) -> None:
    """`.caption` is longer than `.png`: no file can have that name."""
    image = tmp_path / ("x" * 251 + ".png")
    assert read_caption(image).text == "x" * 251
    image.with_suffix(".txt").write_text("a cat")
    assert read_caption(image).text == "a cat"


def test_where_there_is_no_txt_file_the_caption_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x.caption").write_text("a dog")
    assert read_caption(tmp_path / "x.png").text == "a dog"
    (tmp_path / "x.txt").write_text("a cat")
    assert read_caption(tmp_path / "x.png").text == "a cat"
    assert read_caption(tmp_path / "x.png", ".caption").text == "a dog"
    assert read_caption(tmp_path / "x.png", ".words").text == "a dog"


def test_the_ending_of_caption_files_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "v1.5.caption").write_text("a cat")
    assert read_caption(tmp_path / "v1.5.png", ".caption").text == "a cat"


@given(st.text())
def test_file_words_are_the_end_of_the_stem(stem: str) -> None:
    words = file_words(stem)
    assert stem.endswith(words)
    dropped = stem[: len(stem) - len(words)].rstrip()
    assert all(sign == "-" or sign.isdecimal() for sign in dropped)


def test_a_caption_that_no_prompt_takes_is_refused_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x" * 10_001)
    image = tmp_path / "y.png"
    for read in (
        lambda: read_caption(tmp_path / "x.png"),
        lambda: read_caption(image, words="x" * 10_001),
        lambda: read_caption(tmp_path / "a b c.png", regex=r"\w", join="x" * 9_000),
    ):
        with pytest.raises(CaptionError, match=r"at most 10,000; shorten it"):
            read()
    (tmp_path / "x.txt").write_text("x" * 10_000)
    assert len(read_caption(tmp_path / "x.png").text) == 10_000
