"""CLIP's vocabulary comes from an installed package or a local folder, never from a hub."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import pytest

from ti_core.errors import CheckpointError, HostError
from ti_core.hosts.standalone import vocabulary as vocabulary_module
from ti_core.hosts.standalone.vocabulary import open_vocabulary, standard_vocabulary


def test_the_packaged_vocabulary_is_clips() -> None:
    words = standard_vocabulary(None, open_clip=False)
    table = words.tokenizer.get_vocab()
    assert len(table) == 49408
    assert (table["a</w>"], table["cat</w>"], table["!"], table["!</w>"]) == (320, 2368, 0, 256)
    assert (words.start, words.end, words.pad) == (49406, 49407, 49407)
    assert words.tokenize("a photo of a cat") == [320, 1125, 539, 320, 2368]


def test_open_clip_pads_with_zero() -> None:
    assert standard_vocabulary(None, open_clip=True).pad == 0


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("", []),
        ("  ", []),
        ("A  CAT", ["a</w>", "cat</w>"]),
        ("cat!", ["cat</w>", "!</w>"]),
        ("it's", ["it</w>", "'s</w>"]),
        ("42", ["4</w>", "2</w>"]),
    ],
)
def test_text_is_cut_as_clip_does(text: str, spelling: list[str]) -> None:
    words = standard_vocabulary(None, open_clip=False)
    assert words.token_strings(words.tokenize(text)) == spelling


def test_long_texts_are_not_cut() -> None:
    assert len(standard_vocabulary(None, open_clip=False).tokenize("cat " * 500)) == 500


def write_tokenizer(folder: Path, pad: object) -> Path:
    vocabulary = {"a</w>": 0, "!": 1, "!</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4}
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = {"tokenizer_class": "CLIPTokenizer", "pad_token": pad}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_a_folders_padding_is_kept_and_stays_an_ordinary_word(tmp_path: Path) -> None:
    words = open_vocabulary(write_tokenizer(tmp_path / "t", {"content": "!"}))
    assert words.pad == 1
    assert words.tokenize("a!") == [0, 2]


def test_a_folder_without_padding_pads_with_the_end_mark(tmp_path: Path) -> None:
    assert open_vocabulary(write_tokenizer(tmp_path / "t", None)).pad == 4


def test_a_local_folder_may_replace_the_package(tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path / "t", None)
    assert standard_vocabulary(folder, open_clip=False).tokenize("a") == [0]
    assert standard_vocabulary(folder, open_clip=True).pad == 0


def test_broken_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a tokenizer folder"):
        open_vocabulary(tmp_path)
    folder = write_tokenizer(tmp_path / "t", "missing-word")
    with pytest.raises(CheckpointError, match="missing-word"):
        open_vocabulary(folder)
    (folder / "vocab.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot read"):
        open_vocabulary(folder)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", nothing)
    with pytest.raises(HostError, match="pip install openai-clip"):
        vocabulary_module._packaged_file()
