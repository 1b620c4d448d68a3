"""Names of embeddings."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import ConfigError
from ti_core.files.names import alike, checked_name, fitting_name, prompt_name


@pytest.mark.parametrize(
    "name",
    [
        "cat",
        "my-cat_2.1",
        "two words",
        "SKS",
        "x" * 100,
        "猫",
        "café",
        "Стиль",
        "ねこ",
        "हिन्दी",
        "原神-神里",
        "٣ قطط",
        "x²",
    ],
)
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
        "猫" * 67,
        "LPT¹",
        "نام\u200cها",
        "🐈",
        "\u0301a",
        "EasyNegative (1)",
        "a\ud800",
    ],
)
def test_a_name_that_breaks_somewhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        checked_name(name)


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("my<cat>", "mycat"),
        ("EasyNegative (1)", "EasyNegative 1"),
        ("Kätzchen!", "Kätzchen"),
        ("!!!", "mycat"),
        (".hidden.", "hidden"),
        ("con", "my-con"),
        ("cat.preview", "cat-preview"),
        ("猫" * 90, "猫" * 66),
    ],
)
def test_a_refused_name_comes_with_one_that_works(name: str, fitting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_name(name)
    assert repr(fitting) in caught.value.fix


def test_a_decomposed_name_is_composed() -> None:
    """macOS spells file names so."""
    assert checked_name("cafe\u0301") == "café"
    assert alike("CAFE\u0301") == alike("café")


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("my cat", "my_cat"),
        ("猫", "猫"),
        ("cafe\u0301", "café"),
        ("a (1)", "a__1_"),
        ("<a>", "_a_"),
    ],
)
def test_comfyui_reads_a_name_up_to_the_first_space(name: str, called: str) -> None:
    assert prompt_name(name) == called


@given(st.text(max_size=120))
def test_whatever_is_accepted_is_a_plain_file_stem(name: str) -> None:
    try:
        accepted = checked_name(name)
    except ConfigError:
        return
    assert accepted == unicodedata.normalize("NFC", name) == checked_name(accepted)
    assert not set(accepted) & set('/\\:*?"<>|\0\n')
    assert accepted == accepted.strip(" ")
    assert "." not in (accepted[0], accepted[-1])
    assert len(accepted.encode()) <= 200


@given(st.text(max_size=150))
def test_what_is_proposed_is_accepted(name: str) -> None:
    assert checked_name(fitting_name(name)) == fitting_name(name)
