"""Nodes reach nothing outside of ComfyUI's own folders."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call, created, dataset
from tests.comfy.nodes.graph import settings as training_settings
from ti_core.errors import ConfigError, DataError, TIError

PIECES = st.sampled_from(["..", ".", "", "a", "b", "~", "C:", "\0", "con", "\\", "link", "é", " "])


@given(
    parts=st.lists(PIECES, max_size=6),
    between=st.sampled_from(["/", "\\"]),
    first=st.sampled_from(["", "/"]),
)
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=200)
def test_no_name_leads_out_of_its_folder(
    parts: list[str], between: str, first: str, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    if not (root / "link").is_symlink():
        (root / "link").symlink_to(tmp_path)
    inside = program.nodes("places").inside
    try:
        found = inside(root, first + between.join(parts), "input")
    except ConfigError:
        return
    assert found.resolve().is_relative_to(root.resolve())


@pytest.mark.parametrize(
    "folder", ["..", "../x", "/etc", "none", "", " ", ".", "./.", "cats/../..", "link"]
)
def test_pictures_are_taken_from_the_input_folder_only(
    folder: str, pictures: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "outside" / "secret.png")
    Image.new("RGB", (64, 64)).save(comfy["input"] / "of other work.png")
    (comfy["input"] / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(TIError):
        dataset(folder)


@pytest.mark.parametrize("place", ["secret.txt", "secret.png", "10_cat/secret.txt"])
def test_no_link_among_pictures_shows_other_peoples_files(
    place: str, pictures: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    link = comfy["input"] / pictures / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(ConfigError, match="secret"):
        dataset(pictures)
    link.unlink()
    link.symlink_to(next((comfy["input"] / pictures).glob("*.png")))
    dataset(pictures)


def test_the_list_of_folders_names_those_with_pictures(
    pictures: str, comfy: dict[str, Path]
) -> None:
    (comfy["input"] / "empty").mkdir()
    deep = comfy["input"] / "a" / "b"
    deep.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(deep / "x.png")
    assert program.nodes("places").picture_folders() == ["a/b", "cats"]


HERE = "(directly in input)"


def test_pictures_directly_in_the_input_folder_are_a_choice_of_their_own(
    pictures: str, comfy: dict[str, Path]
) -> None:
    node = program.every_node()["TI_DatasetFromFolder"]
    with pytest.raises(ConfigError, match="itself contains no images"):
        dataset(HERE)
    Image.new("RGB", (64, 64)).save(comfy["input"] / "x.png")
    (comfy["input"] / "x.txt").write_text("a grey [name]")
    assert program.nodes("places").picture_folders() == ["cats", HERE]
    assert dataset(HERE).pictures == 1
    captions, _ = call("CaptionList", dataset=dataset(HERE)).args
    assert captions == ["a grey [name]"]
    content = program.nodes("content").content_of
    before = node.fingerprint_inputs(folder=HERE), content(comfy["input"])
    (comfy["input"] / pictures / "0.txt").write_text("of another dataset")
    assert (node.fingerprint_inputs(folder=HERE), content(comfy["input"])) == before
    (comfy["input"] / "x.txt").write_text("a black [name], in the dark")
    assert node.fingerprint_inputs(folder=HERE) != before[0]
    assert content(comfy["input"]) != before[1]


def test_a_link_beside_them_that_leads_elsewhere_is_refused(
    comfy: dict[str, Path], tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64)).save(comfy["input"] / "x.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "outside.png")
    (comfy["input"] / "folder").symlink_to(tmp_path)
    assert dataset(HERE).pictures == 1
    (comfy["input"] / "link.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(ConfigError, match=r"link\.png"):
        dataset(HERE)


def test_another_caption_makes_another_dataset(pictures: str, comfy: dict[str, Path]) -> None:
    node = program.every_node()["TI_DatasetFromFolder"]
    before = node.fingerprint_inputs(folder=pictures, width=0)
    assert node.fingerprint_inputs(folder=pictures, width=None) == before
    (comfy["input"] / pictures / "0.txt").write_text("another caption, longer")
    assert node.fingerprint_inputs(folder=pictures, width=0) != before


@pytest.mark.parametrize(
    "options",
    [
        {"prompt_template": "/etc/passwd"},
        {"prompt_template": "../x.txt"},
        {"template_lines": "x" * 200_000},
        {"width": 65},
        {"width": 100_000},
        {"width": math.nan},
        {"resize_mode": "melt"},
    ],
)
def test_a_dataset_is_read_in_known_ways_only(pictures: str, options: dict[str, Any]) -> None:
    usual = {"folder": pictures, "width": 64, "height": 64}
    with pytest.raises(TIError):
        call("DatasetFromFolder", **{**usual, **options})


def test_lines_of_ones_own_are_trained_on(pictures: str) -> None:
    made = dataset(pictures, template_lines="a drawing of [name]\n# no line\n")
    assert Path(made.data.prompt_template).read_text().startswith("a drawing")


def test_a_folder_of_kohyas_numbered_ones_is_a_dataset(
    pictures: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    numbered = comfy["input"] / "set" / "5_cat"
    numbered.parent.mkdir()
    (comfy["input"] / pictures).rename(numbered)
    assert "set" in program.nodes("places").picture_folders()
    assert dataset("set").pictures == 3
    captions, _ = call("CaptionList", dataset=dataset("set")).args
    assert captions[0] == "a red [name]"
    (tmp_path / "outside").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "outside" / "secret.png")
    (numbered.parent / "1_link").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError):
        dataset("set")


def test_advanced_options_complete_a_dataset(pictures: str) -> None:
    plain = dataset(pictures)
    usual = call("DatasetOptions", dataset=plain).args[0]
    assert usual == plain
    made = call("DatasetOptions", dataset=plain, insert_trigger=True, varsize=True).args[0]
    assert made.data.tags.insert_trigger
    assert made.data.sizes.varsize
    assert made.data.train_data_dir == plain.data.train_data_dir


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_bucket_reso", 100_000),
        ("bucket_reso_steps", 1),
        ("caption_prefix", "x" * 200_000),
        ("caption_dropout_rate", math.nan),
        ("mask_scale", "some"),
    ],
)
def test_advanced_options_have_their_limits(pictures: str, name: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        call("DatasetOptions", dataset=dataset(pictures), **{name: value})


# --- pictures of the graph --------------------------------------------------------------------


def images(*shapes: tuple[int, int, int]) -> list[torch.Tensor]:
    return [torch.rand(count, height, width, 3) for count, height, width in shapes]


def from_images(pictures: list[torch.Tensor], **more: Any) -> Any:
    values = {"images": pictures, "width": [64], "height": [64], "resize_mode": ["cover"], **more}
    node = program.every_node()["TI_DatasetFromImages"]
    return node.execute(**values, prompt_template=["auto"])


def test_batches_and_lists_become_pictures_with_captions() -> None:
    made = from_images(images((2, 64, 64), (1, 80, 96)), captions=["a [name]", "b", "c"]).args[0]
    folder = Path(made.data.train_data_dir)
    assert made.pictures == 3
    assert (folder / "0000.txt").read_text() == "a [name]"
    assert size_of(folder / "0002.png") == (96, 80)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_the_same_pictures_make_the_same_folder_once() -> None:
    given_ = images((2, 64, 64))
    one, two = (from_images(given_).args[0] for _ in range(2))
    assert one == two
    assert from_images(given_, captions=["x"]).args[0] != one


def test_eight_bit_pictures_pass_unchanged() -> None:
    """As core's loaders give them: level / 255."""
    levels = torch.arange(256, dtype=torch.float32).view(1, 16, 16, 1).expand(-1, -1, -1, 3) / 255
    folder = Path(from_images([levels]).args[0].data.train_data_dir)
    with Image.open(folder / "0000.png") as picture:
        assert picture.getchannel(0).tobytes() == bytes(range(256))


@pytest.mark.parametrize(
    ("given_", "captions"),
    [
        ([torch.full((1, 64, 64, 3), math.nan)], []),
        ([torch.zeros(1, 64, 64, 7)], []),
        ([torch.zeros(0, 64, 64, 3)], []),
        ([torch.zeros(1, 64, 5000, 3)], []),
        ([torch.zeros(3, 64, 64, 3)], ["a", "b"]),
    ],
)
def test_pictures_that_are_none_are_refused(
    given_: list[torch.Tensor], captions: list[str]
) -> None:
    with pytest.raises(DataError):
        from_images(given_, captions=captions)


# --- preprocessing, captions, checks ----------------------------------------------------------


def test_photographs_become_pictures_of_one_size_with_their_captions(pictures: str) -> None:
    made = call("Preprocess", dataset=dataset(pictures), width=64, height=64, flip=True).args[0]
    assert made.pictures == 6
    folder = Path(made.data.train_data_dir)
    assert {size_of(path) for path in folder.glob("*.png")} == {(64, 64)}
    assert len(list(folder.glob("*.txt"))) == 6


def test_a_folder_of_the_users_is_not_written_into(pictures: str, comfy: dict[str, Path]) -> None:
    for name in (pictures, "../out", "a/b"):
        with pytest.raises(ConfigError):
            call("Preprocess", dataset=dataset(pictures), save_to=name)
    call("Preprocess", dataset=dataset(pictures), width=64, height=64, save_to="small")
    assert len(list((comfy["input"] / "small").glob("*.png"))) == 3


def test_captions_come_in_the_order_of_the_names(pictures: str, comfy: dict[str, Path]) -> None:
    (comfy["input"] / pictures / "2.txt").unlink()
    captions, names = call("CaptionList", dataset=dataset(pictures)).args
    assert names == ["0.png", "1.png", "2.png"]
    assert captions[:2] == ["a red [name]", "a green [name]"]


def test_a_check_tells_what_is_wrong_and_stops_the_graph_if_asked_to(
    pictures: str, comfy: dict[str, Path]
) -> None:
    inputs = {"dataset": dataset(pictures), "embedding": created(), "settings": training_settings()}
    _, report, ok = call("CheckDataset", **inputs).args
    assert ok
    assert "3 image(s)" in report
    assert str(comfy["input"]) not in report
    for number in range(3):
        (comfy["input"] / pictures / f"{number}.txt").write_text("no word of it")
    bad = {**inputs, "dataset": dataset(pictures, prompt_template="captions")}
    assert call("CheckDataset", **bad, stop_on_errors=False).args[2] is False
    with pytest.raises(DataError, match="cannot be trained on"):
        call("CheckDataset", **bad)


def test_a_prompt_without_the_name_is_refused_before_the_training(
    pictures: str, comfy: dict[str, Path]
) -> None:
    (comfy["input"] / pictures / "0.txt").write_text("no word of it")
    spoiled = dataset(pictures, prompt_template="captions")
    with pytest.raises(DataError):
        taught(spoiled)


def test_pictures_of_the_graph_are_trained_on() -> None:
    made = from_images(images((2, 64, 64)), captions=["a [name]"]).args[0]
    assert taught(made).args[0].step == 6


def taught(pictures: Any) -> Any:
    lent = {"model": "sd1", "clip": "c", "vae": "v", "embedding": created()}
    return call("TrainEmbedding", **lent, dataset=pictures, settings=training_settings())
