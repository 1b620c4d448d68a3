"""kohya's dataset files."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.run import check_folder
from ti_core.data.config import BucketConfig, DataConfig, TagConfig
from ti_core.data.dataset import load_dataset
from ti_core.data.dataset_file import read_dataset_file
from ti_core.data.folder import Folders
from ti_core.errors import ConfigError, DataError

FILE = """
[general]
shuffle_caption = true
caption_extension = '.txt'
keep_tokens = 1

[[datasets]]
resolution = 256
batch_size = 4
enable_bucket = true

  [[datasets.subsets]]
  image_dir = 'one'
  class_tokens = 'zz-cat'
  num_repeats = 3

  [[datasets.subsets]]
  is_reg = true
  image_dir = 'reg'
  class_tokens = 'cat'
  keep_tokens = 2

[[datasets]]
resolution = [768, 512]

  [[datasets.subsets]]
  image_dir = 'two'
  flip_aug = true
  alpha_mask = true
  prompt_template = 'style'
  loss_weight = 0.25
"""
"""The layout of kohya's own example (docs/config_README-en.md)."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two", "reg"):
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.new("RGB", (600, 400)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def read(folder: Path, text: str, name: str = "data.toml") -> Folders:
    (folder / name).write_text(text)
    typed = DataConfig(prior_loss_weight=0.5, tags=TagConfig(caption_prefix="a photo,"))
    return read_dataset_file(folder / name, typed)


def subset(line: str) -> str:
    return f"[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'one'\n{line}\n"


def test_settings_come_from_the_subset_the_dataset_the_general_part_and_the_typed_ones(
    folder: Path,
) -> None:
    one, reg, two = read(folder, FILE).folders
    assert [f.config.tags.keep_tokens for f in (one, reg, two)] == [1, 2, 1]
    assert all(f.config.tags.shuffle_caption for f in (one, reg, two))
    assert all(f.config.tags.caption_prefix == "a photo," for f in (one, reg, two))
    assert one.config.resolution == (256, 256)
    assert two.config.resolution == (768, 512)
    assert one.config.sizes == BucketConfig(enable_bucket=True)
    assert two.config.sizes == BucketConfig()


def test_what_belongs_to_a_folder_is_read(folder: Path) -> None:
    one, reg, two = read(folder, FILE).folders
    assert (one.path, one.repeats, one.words) == (folder / "one", 3, "zz-cat")
    assert (one.batch_size, two.batch_size) == (4, None)
    assert (reg.regular, reg.weight) == (True, 0.5)
    assert (two.weight, two.config.flip_aug, two.config.masked_loss) == (0.25, True, True)
    assert (one.dataset, reg.dataset, two.dataset) == (0, 0, 1)


def test_such_a_dataset_can_be_loaded(folder: Path) -> None:
    (folder / "data.toml").write_text(FILE)
    config = DataConfig(dataset_config=str(folder / "data.toml"))
    dataset = load_dataset(config, "zz-cat", 64)
    assert dataset.repeats == (3, 3, 3, 3, 1, 1)
    assert dataset.template_name == "captions, style"
    assert dataset.sizes() == {(256, 256): 12, (768, 512): 2}
    sizes = [group.batch_size for group in dataset.order(0, 7, 1).groups]
    assert sizes == [4, 7]


def test_json_is_read_as_well(folder: Path) -> None:
    table = {"datasets": [{"subsets": [{"image_dir": "one", "num_repeats": 2}]}]}
    (only,) = read(folder, json.dumps(table), "data.json").folders
    assert only.repeats == 2


def test_only_the_first_line_of_captions_is_read_unless_told_otherwise(folder: Path) -> None:
    (plain,) = read(folder, subset("")).folders
    (told,) = read(folder, subset("caption_lines = 'all'")).folders
    assert (plain.config.caption_lines, told.config.caption_lines) == ("first", "all")


def test_a_caption_extension_may_lack_its_dot_as_in_kohya(folder: Path) -> None:
    (only,) = read(folder, subset("caption_extension = 'cap'")).folders
    assert only.config.caption_extension == ".cap"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (subset("num_repeat = 2"), r"unknown setting 'num_repeat'.*num_repeats"),
        ("[generals]\n", r"unknown setting 'generals'.*general"),
        (subset("num_repeats = 'two'"), "num_repeats is 'two'"),
        (subset("num_repeats = -1"), "num_repeats is -1; give 0 to 1,000,000"),
        (subset("num_repeats = 1_000_000_000"), "num_repeats is 1000000000; give 0 to 1,000,000"),
        (subset("num_repeats = 1.5"), "num_repeats is 1.5; give a whole number"),
        ("image_dir = 'one'\n", "unknown setting 'image_dir': it is outside of .*; move it"),
        (subset("batch_size = 0"), "batch_size is 0"),
        (subset("keep_tokens = 'x'"), "data.toml: keep_tokens is 'x'"),
        (subset("resolution = [512]"), "resolution"),
        (subset("metadata_file = 'x.json'"), "metadata_file cannot be used"),
        (subset("conditioning_data_dir = 'x'"), "masks are read from"),
        (subset("is_reg = true"), "no folder to train on"),
        ("[[datasets]]\n[[datasets.subsets]]\nnum_repeats = 1\n", "no image_dir"),
        ("datasets = 3\n", "datasets is not a list"),
        ("general = 3\n", "general is not a table"),
        ("", "no folder to train on: it has no subsets; add"),
        ("[[datasets]]\nresolution = 64\n", "no folder to train on: it has no subsets; add"),
        (subset("caption_extension = 3"), "caption_extension"),
        (subset("caption_extension = 'a/b'"), "data.toml: caption_extension is '.a/b'"),
        (subset("resolution = 100"), "data.toml: resolution is 100x100"),
        (
            subset("image_dir = 'no'").replace("'one'\nimage_dir = ", ""),
            "no folder no; check image_dir in",
        ),
        (subset("").replace("'one'", r'"C:\Users\me"'), "cannot read .*write paths with /"),
        (
            subset("").replace("'one'", r'"C:\temp\new"'),
            r"image_dir is 'C:\\temp.*write paths with /",
        ),
        (subset(r'prompt_template = "C:\new.txt"'), "prompt_template is .*write paths with /"),
        (subset("").replace("one", "x" * 20_000), "image_dir has 20,000 characters"),
        ("[[datasets", "cannot read the dataset file"),
        (subset("train_data_dir = 'x'"), "unknown setting 'train_data_dir'"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(folder: Path, text: str, message: str) -> None:
    (folder / "data.toml").write_text(text)
    with pytest.raises((ConfigError, DataError)) as caught:
        load_dataset(DataConfig(dataset_config=str(folder / "data.toml")), "zz-cat", 64)
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)
    assert "data.toml" in str(caught.value)


def test_of_several_folders_the_empty_and_the_unwanted_are_told(folder: Path) -> None:
    (folder / "none").mkdir()
    more = "[[datasets.subsets]]\nimage_dir = "
    text = f"{subset('')}{more}'two'\nnum_repeats = 0\n{more}'none'\n"
    read(folder, text)
    config = DataConfig(dataset_config=str(folder / "data.toml"))
    dataset = load_dataset(config, "zz-cat", 64)
    assert len(dataset.items) == 2
    assert [notice.what for notice in dataset.notices] == [
        f"the images in {folder / 'two'} are left out",
        f"{folder / 'none'} holds no images",
    ]


def test_a_file_whose_only_folder_has_no_repeats_says_so(folder: Path) -> None:
    read(folder, subset("num_repeats = 0"))
    config = DataConfig(dataset_config=str(folder / "data.toml"))
    with pytest.raises(DataError, match="num_repeats is 0; give 1 or more"):
        load_dataset(config, "zz-cat", 64)
    (finding,) = check_folder(CheckupInput(config)).findings
    assert "num_repeats is 0" in finding.why


def test_one_folder_may_be_named_twice(folder: Path) -> None:
    twice = read(folder, subset("") + "[[datasets.subsets]]\nimage_dir = 'one'\n").folders
    assert len(twice) == 2
    config = DataConfig(dataset_config=str(folder / "data.toml"))
    assert len(load_dataset(config, "zz-cat", 64).items) == 4


def test_what_is_left_out_is_told_unless_it_does_nothing(folder: Path) -> None:
    found = read(folder, subset("random_crop = true\nenable_wildcard = false\ncache_info = true"))
    assert [notice.what for notice in found.notices] == [
        "data.toml: cache_info is left out",
        "data.toml: random_crop is left out",
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["data.toml", "data.json"])
def test_a_file_that_a_windows_editor_has_saved_is_read(
    folder: Path, encoding: str, name: str
) -> None:
    table = {"datasets": [{"subsets": [{"image_dir": "one", "class_tokens": "猫"}]}]}
    text = json.dumps(table) if name.endswith("json") else subset("class_tokens = '猫'")
    (folder / name).write_bytes(text.replace("\n", "\r\n").encode(encoding))
    (only,) = read_dataset_file(folder / name, DataConfig()).folders
    assert only.words == "猫"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_neither_a_device_nor_a_pipe_is_a_dataset_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (Path("/dev/zero"), tmp_path / "pipe.toml"):
        with pytest.raises(ConfigError, match=r"cannot read the dataset file .*it is a "):
            read_dataset_file(path, DataConfig())


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the dataset file"):
        read_dataset_file(tmp_path / "none.toml", DataConfig())


KEYS = st.sampled_from(
    ["general", "datasets", "subsets", "image_dir", "resolution", "num_repeats", "keep_tokens", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_file_holds_is_read_or_refused_in_words(tmp_path: Path, value: object) -> None:
    for table in (value, {"datasets": [{"subsets": [value]}]}):
        (tmp_path / "data.json").write_text(json.dumps(table))
        with contextlib.suppress(ConfigError):
            read_dataset_file(tmp_path / "data.json", DataConfig())
