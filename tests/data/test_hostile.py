"""Folders of strangers, on the way into training: skipped with a reason, or read as they look.

The same files go through `ti preprocess` in preprocess/test_job.py, and through `ti check` in
checkup/test_run.py.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from ti_core.data.config import DataConfig
from ti_core.data.dataset import Dataset, load_dataset
from ti_core.data.latent_cache.remembered import RememberedPictures
from ti_core.errors import DataError
from ti_core.events import Notice
from ti_core.hosts.fake import FakeHost
from ti_core.train.loop import train

from ..conftest import Configure
from ..train.spoiled import Log

Load = Callable[[], Dataset]


@pytest.fixture(params=["read", "remembered"])
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Load:
    """Read the folder as training does, with an empty memory, a full one, or none."""
    config = DataConfig(train_data_dir=str(tmp_path / "in"), use_object_template=True)

    def read() -> Dataset:
        if request.param == "read":
            return load_dataset(config, "cat", 64)
        for _ in range(2):
            look = RememberedPictures(tmp_path / "cache")
            found = load_dataset(config, "cat", 64, look)
            look.save()
        return found

    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "in" / "zz good.png")
    return read


def names(found: Dataset) -> list[str]:
    """Of the pictures to be trained on, each of which can be read and is 64 pixels wide."""
    for item in found.items:
        pixels = item.pixels()
        assert pixels.shape == (3, 64, 64)
        assert pixels.isfinite().all()
        assert pixels.abs().max() <= 1
    return [item.path.name for item in found.items]


def colour(found: Dataset, name: str) -> list[float]:
    """Of the middle of a picture, -1 to 1."""
    (item,) = (item for item in found.items if item.path.name == name)
    return [round(value, 1) for value in item.pixels()[:, 32, 32].tolist()]


def skipped(found: Dataset) -> list[str]:
    assert names(found) == ["zz good.png"]
    return [str(error) for _, error in found.skipped]


def png_header(width: int, height: int) -> bytes:
    """A PNG of that size, with next to no pixels in it."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (body, pixels)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("size", [(20_000, 15_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_300_megapixels_is_skipped_before_it_is_decoded(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    (tmp_path / "in" / "huge.png").write_bytes(png_header(*size))
    real = PngImagePlugin.PngImageFile.load

    def loaded(image: Image.Image) -> Any:
        assert image.width * image.height < 10**8
        return real(image)  # type: ignore[arg-type]

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", loaded)
    (reason,) = skipped(load())
    assert "huge.png" in reason
    assert "pixels" in reason


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_truncated_pictures_are_skipped_with_a_reason(
    tmp_path: Path, load: Load, format_: str
) -> None:
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(data, format_)
    for part in (0, 4, 20, 100, len(data.getvalue()) // 2):
        (tmp_path / "in" / f"{part}.{format_.lower()}").write_bytes(data.getvalue()[:part])
    reasons = skipped(load())
    assert len(reasons) == 5
    assert all("is skipped: " in reason for reason in reasons)


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_trained_on(
    tmp_path: Path, load: Load, ending: str
) -> None:
    frames = [Image.new("RGB", (64, 64), name) for name in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "in" / f"a.{ending}", save_all=True, append_images=frames[1:])
    assert colour(load(), f"a.{ending}") == [1, -1, -1]


def test_pictures_of_every_mode_are_read_as_they_look(tmp_path: Path, load: Load) -> None:
    folder = tmp_path / "in"
    Image.new("CMYK", (64, 64), (0, 0, 0, 0)).save(folder / "cmyk.jpg")
    Image.fromarray(np.full((64, 64), 65535, dtype=np.uint16)).save(folder / "deep.png")
    Image.fromarray(np.full((64, 64), 32896, dtype=np.uint16)).save(folder / "deep half.png")
    palette = Image.new("P", (64, 64), 3)
    palette.putpalette([0] * 768)
    palette.save(folder / "palette.png", transparency=3)
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(folder / "through.png")
    Image.new("LA", (64, 64), (0, 0)).save(folder / "grey through.png")
    found = load()
    for name in ("cmyk.jpg", "deep.png", "palette.png", "through.png", "grey through.png"):
        assert colour(found, name) == [1, 1, 1], name
    assert colour(found, "deep half.png") == [0, 0, 0]


@pytest.mark.parametrize(
    "stem",
    [
        "two\nlines",
        "🙂👩‍🚀",
        "x" * 250,
        "é" * 125,
        "-rf",
        "..",
        ".hidden",
        "%s{0}$HOME",
        "[name]",
        "a\tb",
    ],
)
def test_a_picture_of_any_name_is_trained_on(tmp_path: Path, load: Load, stem: str) -> None:
    path = tmp_path / "in" / f"{stem}.png"
    Image.new("RGB", (64, 64)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.png").rename(path)
    found = load()
    assert sorted(names(found)) == sorted([path.name, "zz good.png"])
    for index in range(2):
        assert "\n" not in found.prompt(index, "cat", 0, 0, 0)


def test_a_name_that_is_no_text_is_trained_on(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "in" / os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.png").rename(path)
    assert path.name in names(load())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_folders_devices_and_circular_links_make_nobody_wait(
    tmp_path: Path, load: Load
) -> None:
    folder = tmp_path / "in"
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    (folder / "self.png").symlink_to("self.png")
    (folder / "a.png").symlink_to("b.png")
    (folder / "b.png").symlink_to("a.png")
    (folder / "up.png").symlink_to(".")
    (folder / "gone.png").symlink_to("nothing")
    (folder / "device.png").symlink_to("/dev/zero")
    assert names(load()) == ["zz good.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_caption_that_is_a_pipe_is_no_caption(tmp_path: Path, load: Load) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "in" / "a.png")
    os.mkfifo(tmp_path / "in" / "a.txt")
    found = load()
    assert names(found) == ["a.png", "zz good.png"]
    assert not found.items[0].caption.from_file


def test_a_picture_that_may_not_be_read_is_skipped(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "in" / "a.png"
    Image.new("RGB", (64, 64)).save(locked)
    real = os.open

    def refusing(path: Any, *rest: Any, **more: Any) -> int:
        if Path(os.fspath(path)) == locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *rest, **more)

    monkeypatch.setattr("ti_core.files.regular_file.os.open", refusing)
    (reason,) = skipped(load())
    assert "a.png" in reason
    assert "Permission denied" in reason


def test_a_folder_that_may_not_be_read_is_a_data_error(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        load()


def test_a_file_that_would_start_another_program_is_no_picture(tmp_path: Path, load: Load) -> None:
    """Pillow hands EPS to Ghostscript, whatever the file is called."""
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n"
    (tmp_path / "in" / "a.png").write_bytes(eps)
    (reason,) = skipped(load())
    assert "it is not an image" in reason


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (50_000, 1)])
def test_pictures_of_extreme_shapes_are_read(
    tmp_path: Path, load: Load, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "in" / "a.png")
    assert colour(load(), "a.png") == [1, -1, -1]


def test_a_whole_run_on_such_a_folder_trains_on_what_is_good(
    configure: Configure, pictures: Path
) -> None:
    (pictures / "huge.png").write_bytes(png_header(20_000, 15_000))
    (pictures / "cut off.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    (pictures / "self.png").symlink_to("self.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(pictures / "pipe.png")
    log = Log()
    found = train(configure(), FakeHost(), log).read_bytes()
    warned = [notice.what for notice in log.of(Notice)]
    assert {"huge.png is skipped", "cut off.jpg is skipped"} <= set(warned)
    for name in ("huge.png", "cut off.jpg"):
        (pictures / name).unlink()
    assert train(configure(overwrite=True), FakeHost()).read_bytes() == found


def test_a_picture_that_is_damaged_after_it_was_looked_at_ends_the_run_with_its_name(
    tmp_path: Path, load: Load
) -> None:
    found = load()
    path = tmp_path / "in" / "zz good.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"zz good\.png"):
        found.items[0].pixels()


def test_the_good_picture_is_what_it_was(load: Load) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels = torch.from_numpy(noise.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)
    assert torch.equal(load().items[0].pixels(), pixels)
