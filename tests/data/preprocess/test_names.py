"""A1111's names, and names that nobody expects."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ti_core.data.captions import file_words
from ti_core.data.preprocess.names import LONGEST_NAME, caption_stem, output_stem, printable_name

HERE = Path("/pictures")


def test_a_name_is_made_of_index_subindex_and_stem() -> None:
    assert output_stem(HERE, 7, 0, "holiday") == "00007-0-holiday"
    assert output_stem(HERE, 123456, 12, "a man, in suit") == "123456-12-a man, in suit"


def test_the_file_words_of_a_name_are_the_old_stem() -> None:
    assert file_words(output_stem(HERE, 7, 0, "a man in suit")) == "a man in suit"
    assert file_words(caption_stem(HERE, 0, 1, "a man in suit")) == "a man in suit"


def test_control_characters_become_spaces_and_all_else_stays() -> None:
    assert output_stem(HERE, 0, 0, "two\nlines\t") == "00000-0-two lines "
    assert output_stem(HERE, 0, 0, "👩‍🚀 é ~`$()") == "00000-0-👩‍🚀 é ~`$()"


@given(st.text(max_size=300), st.integers(0, 10**6), st.integers(0, 300))
def test_every_name_can_be_written(stem: str, index: int, subindex: int) -> None:
    name = output_stem(HERE, index, subindex, stem.replace("/", "").replace("\0", "")) + ".png"
    assert len(os.fsencode(name.encode("utf-8", "replace"))) <= LONGEST_NAME
    assert name.startswith(f"{index:05}-{subindex}-")


def test_long_names_are_cut_between_characters() -> None:
    name = output_stem(HERE, 0, 0, "🙂" * 100) + ".png"
    assert len(name.encode()) in range(LONGEST_NAME - 3, LONGEST_NAME + 1)
    assert set(name[8:-4]) == {"🙂"}
    assert len(output_stem(HERE, 0, 0, "x" * 250)) == LONGEST_NAME - len(".png")


def test_a_deep_folder_leaves_less_room_as_in_a1111() -> None:
    deep = Path("/" + "f" * 200, "f" * 200, "f" * 200, "f" * 200, "f" * 200)
    path = deep / (output_stem(deep, 0, 0, "x" * 100) + ".png")
    assert len(str(path)) == 1023


def test_a_caption_as_a_name_loses_slashes_and_is_cut_between_words() -> None:
    """A1111 in October 2022; its limit was the path's, not the name's, so that Linux refused."""
    assert caption_stem(HERE, 0, 0, "a man/woman, 1/2") == "00000-0-a manwoman, 12"
    name = caption_stem(HERE, 0, 0, " ".join(["lighthouse"] * 40))
    assert len(name) <= LONGEST_NAME
    assert name.endswith("lighthouse")
    assert set(name[len("00000-0-") :].split()) == {"lighthouse"}


def test_a_name_is_shown_on_one_line_whatever_is_in_it() -> None:
    assert printable_name("a\nb\x1b[31m\u202ec") == "a\\nb\\x1b[31m\\u202ec"
    assert printable_name(os.fsdecode(b"caf\xe9 \xf0\x9f\x99\x82")) == "caf\\xe9 🙂"
