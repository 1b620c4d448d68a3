"""Prompt templates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ti_core.data.templates import SHIPPED, fill, names_trigger, read_template
from ti_core.errors import DataError


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_template_can_be_read_by_both_spellings(name: str) -> None:
    assert read_template(name) == read_template(f"{name}.txt") != []


@pytest.mark.parametrize("name", ["style", "subject", "style_filewords", "subject_filewords"])
def test_every_line_of_a_shipped_template_holds_what_its_name_says(name: str) -> None:
    for line in read_template(name):
        assert "[name]" in line
        assert ("[filewords]" in line) == name.endswith("filewords")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("style", 19),
        ("style_filewords", 19),
        ("subject", 27),
        ("subject_filewords", 27),
        ("hypernetwork", 27),
        ("none", 1),
    ],
)
def test_shipped_templates_have_as_many_lines_as_those_of_a1111(name: str, lines: int) -> None:
    assert len(read_template(name)) == lines


def test_blank_lines_and_comments_are_no_prompts(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes("\ufeff# a comment\n\n  a [name]  \r\n\t\nkäse\n".encode())
    assert read_template(str(path)) == ["a [name]", "käse"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_template_that_a_windows_editor_has_saved_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes("a [name]\r\nkäse\r\n".encode(encoding))
    assert read_template(str(path)) == ["a [name]", "käse"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_neither_a_device_nor_a_pipe_is_a_template(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    for path in ("/dev/zero", str(tmp_path / "pipe.txt")):
        with pytest.raises(DataError, match=r"cannot read the prompt template .*it is a "):
            read_template(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment", b"\xff\xfe"])
def test_a_template_without_a_line_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match="prompt template"):
        read_template(str(path))


def test_a_missing_template_is_an_error_that_lists_the_shipped_ones(tmp_path: Path) -> None:
    for path in (tmp_path / "no.txt", tmp_path):
        with pytest.raises(DataError, match="subject_filewords"):
            read_template(str(path))


@pytest.mark.parametrize(
    ("line", "caption", "prompt"),
    [
        ("a [name]", "x", "a cat"),
        ("[filewords], by [name]", "a dog", "a dog, by cat"),
        ("[filewords]", "a [name] runs", "a cat runs"),
        ("[filewords] [filewords]", "x", "x x"),
        (" [filewords] ", "", ""),
        ("[NAME]", "", "[NAME]"),
    ],
)
def test_a_line_is_filled_with_the_caption_first(line: str, caption: str, prompt: str) -> None:
    assert fill(line, "cat", caption) == prompt


@pytest.mark.parametrize("prompt", ["cat", "a Cat, running", "(cat)", "cat's", "a\ncat"])
def test_the_trigger_is_found_as_a_whole_word_in_any_case(prompt: str) -> None:
    assert names_trigger(prompt, "cat")


@pytest.mark.parametrize("prompt", ["", "a dog", "category", "wildcat", "cat-like", "cat_1"])
def test_a_part_of_a_word_is_no_trigger(prompt: str) -> None:
    assert not names_trigger(prompt, "cat")
