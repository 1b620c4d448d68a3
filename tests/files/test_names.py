"""Names of embeddings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import ConfigError
from ti_core.files.names import checked_name


@pytest.mark.parametrize("name", ["cat", "my-cat_2.1", "two words", "SKS", "x" * 100])
def test_a_name_that_works_everywhere_is_kept_as_it_is(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "a/b",
        "a\\b",
        "..",
        ".",
        "../x",
        ".hidden",
        "<cat>",
        "käse",
        "a,b",
        "(cat)",
        "cat ",
        " cat",
        "a\nb",
        "a\x00b",
        "C:cat",
        "cat.preview",
        "my.PREVIEW.cat",
        "x" * 101,
        "猫",
    ],
)
def test_a_name_that_breaks_somewhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        checked_name(name)


def test_a_refused_name_comes_with_one_that_works() -> None:
    with pytest.raises(ConfigError) as caught:
        checked_name("my<cat>")
    assert "mycat" in caught.value.fix


@given(st.text(max_size=120))
def test_whatever_is_accepted_is_a_plain_file_stem(name: str) -> None:
    try:
        checked_name(name)
    except ConfigError:
        return
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._ -]{0,99}", name)
    assert name == name.strip()
