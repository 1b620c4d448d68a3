"""Rules about captions, prompts and the new word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Check

Write = Callable[..., None]


@pytest.fixture
def caption(tmp_path: Path) -> Write:
    """Pictures with the captions given; None is not a caption file."""

    def write(*texts: str | bytes | None) -> None:
        for i, text in enumerate(texts):
            Image.new("RGB", (8, 8)).save(tmp_path / f"{i:02}-0-pic {i}.png")
            if text is not None:
                data = text if isinstance(text, bytes) else text.encode()
                (tmp_path / f"{i:02}-0-pic {i}.txt").write_bytes(data)

    return write


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{i:02}-0-pic {i}.png" for i in numbers)


# --- the trigger --------------------------------------------------------------------------------


def test_a_prompt_without_the_new_word_is_an_error(caption: Write, check: Check) -> None:
    caption("a [name] here", "a cat", "ZZ-cat there", "zz-cats")
    found = check(prompt_template="captions")["trigger_missing"]
    assert (found.severity, found.files) == ("error", names(1, 3))
    assert "trigger_missing" not in check(prompt_template="subject_filewords")
    assert "trigger_missing" not in check(use_object_template=True)


def test_a_template_line_without_the_new_word_is_an_error_for_all(
    caption: Write, check: Check, tmp_path: Path
) -> None:
    (tmp_path / "lines.md").write_text("a photo of [name]\na picture\n[filewords]\n")
    caption("a [name] here", "zz-cat")
    found = check(prompt_template=str(tmp_path / "lines.md"))
    assert found["trigger_missing"].files == names(0, 1)


def test_one_caption_that_lacks_the_new_word_makes_the_others_say_it_twice(
    caption: Write, check: Check
) -> None:
    caption("a [name] here", "zz-cat there", "a cat")
    found = check()["trigger_twice"]
    assert (found.severity, found.files) == ("warning", names(2))


def test_captions_that_name_it_under_a_template_that_does_say_it_twice(
    caption: Write, check: Check
) -> None:
    caption("a [name] here", "a cat")
    assert check(prompt_template="subject_filewords")["trigger_twice"].files == names(0)
    assert "trigger_twice" not in check(prompt_template="subject")


@pytest.mark.parametrize("text", ["a [name] here", "a cat", None])
def test_captions_that_all_do_or_all_do_not_are_right(
    caption: Write, check: Check, text: str | None
) -> None:
    caption(text, text, text)
    assert not {"trigger_missing", "trigger_twice"} & set(check())


def test_without_a_name_nothing_is_said_about_it(caption: Write, check: Check) -> None:
    caption("a cat")
    assert check(name="")["trigger"].severity == "unchecked"


def test_a_template_that_is_not_there_is_an_error(caption: Write, check: Check) -> None:
    caption("a cat")
    assert check(prompt_template="missing.txt")["template"].severity == "error"
    assert "template" not in check()


# --- the texts ----------------------------------------------------------------------------------


def test_captions_that_are_no_text_are_errors(caption: Write, check: Check) -> None:
    caption("a cat", b"caf\xe9", "a cat in UTF-16".encode("utf-16"))
    found = check()["caption_unreadable"]
    assert (found.severity, found.files) == ("error", names(1))


def test_all_texts_readable_is_silent(caption: Write, check: Check) -> None:
    caption("a cat", "a café", None)
    assert "caption_unreadable" not in check()


def test_empty_captions_are_told_where_captions_are_used(caption: Write, check: Check) -> None:
    caption("a cat", " \n", "a dog")
    found = check()["caption_empty"]
    assert (found.severity, found.files) == ("warning", names(1))
    assert "caption_empty" not in check(use_object_template=True)


def test_missing_captions_are_told_if_there_are_others(caption: Write, check: Check) -> None:
    caption("a cat", None, "a dog")
    assert check()["caption_missing"].files == names(1)
    assert "caption_missing" not in check(use_style_template=True)


def test_no_captions_at_all_are_no_matter(caption: Write, check: Check) -> None:
    caption(None, None, None)
    assert not {"caption_missing", "caption_empty", "caption_identical"} & set(check())


def test_one_text_under_most_pictures_is_told(caption: Write, check: Check) -> None:
    caption("a cat", "A cat", "a cat", "a dog")
    found = check()["caption_identical"]
    assert (found.severity, found.files) == ("hint", names(0, 1, 2))
    assert "caption_identical" not in check(use_object_template=True)


@pytest.mark.parametrize("texts", [("a cat", "a cat"), ("a cat", "a cat", "b", "c"), ("", "", "")])
def test_two_equal_captions_half_of_them_or_empty_ones_are_not(
    caption: Write, check: Check, texts: tuple[str, ...]
) -> None:
    caption(*texts)
    assert "caption_identical" not in check()


@pytest.mark.parametrize(
    ("text", "literal", "read"),
    [
        ("a cat (happy)", "hint", "warning"),
        ("a [red] cat", "hint", "warning"),
        ("lucy (cyberpunk", "hint", "warning"),
        ("a cat BREAK a dog", "hint", "warning"),
        (r"lucy \(cyberpunk\)", "hint", None),
        (r"smile :\ ", "hint", None),
        ("a [name] here: red, 1.2", None, None),
        ("smile ;) here", None, None),
    ],
)
def test_signs_that_web_uis_read_as_emphasis_are_told(
    caption: Write, check: Check, text: str, literal: str | None, read: str | None
) -> None:
    caption("a cat", text)
    for emphasis, severity in ((False, literal), (True, read)):
        found = check(emphasis=emphasis).get("emphasis")
        assert (found.severity if found else None) == severity
        assert found is None or found.files == names(1)
    assert "emphasis" not in check(use_object_template=True)


# --- tokens -------------------------------------------------------------------------------------


def test_a_prompt_is_counted_with_its_template_and_the_vectors(
    caption: Write, check: Check
) -> None:
    """Seventy words and a vector for each of five; "a b c" are three more."""
    caption("[name] " + "word " * 70, "short [name]")
    assert "75 of 75" in check(vectors=5, tokenize=str.split)["token_count"].what
    found = check(vectors=6, tokenize=str.split)["too_long"]
    assert (found.severity, found.files) == ("warning", names(0))
    assert "leave 69" in found.fix


def test_the_longest_line_of_the_template_counts(
    caption: Write, check: Check, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.md"
    lines.write_text("[name] " + "more " * 60 + "\none two three [name] of [filewords]\n")
    caption("word " * 70, "word " * 71)
    found = check(prompt_template=str(lines), tokenize=str.split)["too_long"]
    assert found.files == names(1)
    assert "up to 76" in found.what


def test_without_a_model_it_is_said_that_tokens_are_not_counted(
    caption: Write, check: Check
) -> None:
    caption("word " * 200)
    found = check()
    assert found["tokens"].severity == "unchecked"
    assert "too_long" not in found


# --- clashes ------------------------------------------------------------------------------------


def test_a_name_that_is_a_word_is_told(caption: Write, check: Check) -> None:
    def tokenize(text: str) -> list[str]:
        return [text] if text in ("cat", "photo", "of") else list(text)

    caption("a cat")
    assert check(name="cat", tokenize=tokenize)["trigger_is_word"].severity == "warning"
    assert "trigger_is_word" not in check(name="zz-cat", tokenize=tokenize)
    phrase = check(name="photo of", tokenize=tokenize)["trigger_is_word"]
    assert "vanish from every prompt" in phrase.why
    assert "trigger_is_word" not in check(name="cat")


def test_names_of_other_embeddings_are_told(caption: Write, check: Check) -> None:
    caption("a cat")
    assert "trigger_taken" in check(taken=("dog", "ZZ-Cat"))
    nested = check(taken=("best zz-cat ever", "dog"))
    assert "trigger_nested" in nested
    assert "trigger_taken" not in nested
    assert not {"trigger_taken", "trigger_nested"} & set(check(taken=("zz-cats", "my-zz-cat", "")))


def test_spaces_in_a_name_are_told(caption: Write, check: Check) -> None:
    caption("a cat")
    assert "trigger_spaces" in check(name="zz cat")
    assert "trigger_spaces" not in check()


# --- byte order marks ---------------------------------------------------------------------------


def test_marks_at_the_start_of_captions_are_told(caption: Write, check: Check) -> None:
    caption("a plain one", "\ufeffa [name]", "\ufeffa [name]".encode("utf-16-le"), None)
    found = check()["byte_order_mark"]
    assert (found.severity, found.files) == ("note", names(1, 2))
    assert "UTF-16-LE and UTF-8" in found.what


def test_captions_without_a_mark_are_not_spoken_of(caption: Write, check: Check) -> None:
    caption("a plain one", "one with \ufeff inside", None)
    assert "byte_order_mark" not in check()
