"""Text files are regular, small and of a known encoding, or an error says what they are."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import FileError
from ti_core.files.regular_file import read_bytes
from ti_core.files.text_file import decode, read_json, read_text

TEXT = "ein Kätzchen, 猫"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
def test_text_in_every_encoding_that_says_which_it_is_is_read(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_big_endian_utf_16_is_read() -> None:
    assert decode(b"\xfe\xff" + TEXT.encode("utf-16-be")) == TEXT


@given(st.binary(max_size=64))
def test_any_bytes_are_text_or_a_value_error(content: bytes) -> None:
    with suppress(ValueError):
        assert "\0" not in decode(content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_end_with_one_sign_whatever_system_wrote_them(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "x.txt").write_bytes(f"{TEXT}\r\nb\rc\n".encode(encoding))
    assert read_text(tmp_path / "x.txt") == f"{TEXT}\nb\nc\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"caf\xe9", "not UTF-8 text .byte 0xe9 at offset 3"),
        (b"\xff\xfea", "not UTF-16-LE text"),
        ("a cat".encode("utf-16-le"), "contains NUL"),
        ("a cat".encode("utf-32"), "contains NUL: UTF-32"),
        (b"a\0cat", "contains NUL"),
    ],
)
def test_what_is_not_text_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(FileError, match=rf"x\.txt: it .*{why}.*; save it as UTF-8 text"):
        read_text(tmp_path / "x.txt")


def test_a_file_may_have_as_many_bytes_as_are_allowed_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"x" * 1000)
    assert read_bytes(tmp_path / "x.txt", 1000) == b"x" * 1000
    with pytest.raises(FileError, match="more than 999 bytes"):
        read_text(tmp_path / "x.txt", 999)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_neither_a_pipe_nor_a_device_nor_a_folder_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in (
        (tmp_path / "pipe", "a pipe"),
        (Path("/dev/zero"), "a device"),
        (Path("/dev/null"), "a device"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(FileError, match=f"it is {kind}"):
            read_text(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_in_the_same_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "x.json").write_text(f'{{"a": ["{TEXT}", 1]}}', encoding=encoding)
    assert read_json(tmp_path / "x.json") == {"a": [TEXT, 1]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ("9" * 5000, "not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(
    tmp_path: Path, content: str, why: str
) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(FileError, match=why):
        read_json(tmp_path / "x.json")
