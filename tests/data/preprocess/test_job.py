"""A whole folder: what is written, what is skipped and why, and what is never touched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.data.preprocess.folders import Run, gradient, loaded, put
from ti_core.data.preprocess.config import (
    AutosizeConfig,
    CaptionConfig,
    PreprocessConfig,
    SplitConfig,
)
from ti_core.data.preprocess.events import Finished, PictureDone, Skipped, Started
from ti_core.data.preprocess.job import preprocess
from ti_core.errors import ConfigError, DataError, StorageError

SMALL = PreprocessConfig(width=64, height=64)


def fingerprint(folder: Path) -> dict[str, object]:
    """Everything in a folder, with contents and times."""
    found: dict[str, object] = {"": folder.stat().st_mtime_ns}
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        found[str(path.relative_to(folder))] = (content, path.lstat().st_mtime_ns)
    return found


# --- what is written --------------------------------------------------------------------------


def test_pictures_are_named_and_counted_as_in_a1111(tmp_path: Path) -> None:
    """The index counts every entry, pictures or not; here in the order of the names."""
    put(tmp_path / "in" / "b.jpg")
    put(tmp_path / "in" / "d.PNG")
    for name in ("a.doc", "c.txt"):
        (tmp_path / "in" / name).write_text("no image")
    (tmp_path / "in" / "e").mkdir()
    put(tmp_path / "in" / "f.png").rename(tmp_path / "in" / "f")
    run = Run(tmp_path, PreprocessConfig(width=64, height=64, flip=True))
    stems = ("00001-0-b", "00001-1-b", "00003-0-d", "00003-1-d", "00005-0-f", "00005-1-f")
    assert run.names() == [f"{stem}.png" for stem in stems]
    assert run.finished == Finished("done", 3, 6, 3, run.finished.seconds)


def test_parts_and_mirrored_copies_are_counted_on(tmp_path: Path) -> None:
    put(tmp_path / "in" / "long.png", gradient(128, 64))
    config = PreprocessConfig(
        width=64,
        height=64,
        flip=True,
        split_images=SplitConfig(split=True),
        keep_original_size=True,
    )
    run = Run(tmp_path, config)
    assert run.names() == [f"00000-{n}-long.png" for n in range(8)]
    assert loaded(run.out / "00000-6-long.png").tobytes() == gradient(128, 64).tobytes()
    left, right = (np.asarray(loaded(run.out / f"00000-{n}-long.png")) for n in (0, 1))
    assert (left == right[:, ::-1]).all()


def test_a_picture_taken_with_a_turned_camera_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x8769] = 6, {0x9003: "2020:01:01 00:00:00"}
    put(tmp_path / "in" / "a.jpg", gradient(120, 60), exif=exif)
    run = Run(tmp_path, PreprocessConfig(keep_original_size=True))
    found = loaded(run.out / "00000-0-a.png")
    assert found.size == (60, 120)
    assert not found.getexif(), "what the camera noted stays at home"


def test_a_colour_profile_goes_along_unless_it_is_one_for_print(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    put(tmp_path / "in" / "a.png", icc_profile=profile)
    printing = profile[:16] + b"CMYK" + profile[20:]
    put(tmp_path / "in" / "b.jpg", Image.new("CMYK", (64, 64)), icc_profile=printing)
    run = Run(tmp_path)
    assert loaded(run.out / "00000-0-a.png").info["icc_profile"] == profile
    assert "icc_profile" not in loaded(run.out / "00001-0-b.png").info


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png", gradient(200, 100))
    first, second = (Run(tmp_path), Run(tmp_path, SMALL))
    assert fingerprint(first.out).keys() == fingerprint(second.out).keys()
    again = tmp_path / "again"
    preprocess(first.source, again, SMALL)
    for path in first.out.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


# --- events -----------------------------------------------------------------------------------


def test_events_tell_of_every_entry_and_are_json(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text("a caption, which is not counted")
    (tmp_path / "in" / os.fsdecode(b"caf\xe9.doc")).touch()
    run = Run(tmp_path)
    kinds = [type(event) for event in run.events]
    assert kinds == [Started, PictureDone, Skipped, Finished]
    assert [event.total for event in run.all(Started)] == [2]
    lines = [json.loads(event.to_json().encode("utf-8")) for event in run.events]
    assert [line["event"] for line in lines] == ["Started", "PictureDone", "Skipped", "Finished"]
    assert lines[1]["written"] == [str(run.out / "00000-0-a.png")]
    assert "caf\\xe9.doc is skipped" in str(run.events[2])


def test_it_stops_before_the_next_picture_when_asked_to(tmp_path: Path) -> None:
    for name in "abc":
        put(tmp_path / "in" / f"{name}.png")
    answers = iter([False, False, True])
    run = Run(tmp_path, should_stop=lambda: next(answers))
    assert run.names() == ["00000-0-a.png", "00001-0-b.png"]
    assert (run.finished.reason, run.finished.pictures) == ("stopped", 2)


def test_flipped_copies_come_with_a_word_on_left_and_right(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    [notice] = Run(tmp_path, PreprocessConfig(flip=True)).notices
    assert "left and right" in notice


def test_a_destination_that_is_not_empty_is_warned_of(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    put(tmp_path / "out" / "old.png")
    run = Run(tmp_path)
    assert "is not empty" in run.notices[0]
    assert run.names() == ["00000-0-a.png", "old.png"]


def test_captions_of_pictures_are_not_reported_as_skipped(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    for name in ("a.txt", "a.caption", "b.txt"):
        (tmp_path / "in" / name).write_text("words")
    assert list(Run(tmp_path).reasons) == ["b.txt"]


def test_a_picture_of_which_nothing_was_made_is_skipped_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png", gradient(500, 20))
    run = Run(tmp_path, PreprocessConfig(auto_size=AutosizeConfig(multicrop=True)))
    assert run.reasons == {
        "a.png": "no auto-sized crop: 500x20 is near to none of the sizes",
    }


# --- the source is never written to -----------------------------------------------------------


@pytest.mark.parametrize("place", ["in", "in/out", "in/deep/er", "link", "link/out", "in/../in"])
def test_a_destination_in_the_source_is_refused_and_nothing_is_made(
    tmp_path: Path, place: str
) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = fingerprint(tmp_path / "in")
    with pytest.raises(ConfigError, match="source"):
        preprocess(tmp_path / "in", tmp_path / place, SMALL)
    assert fingerprint(tmp_path / "in") == before


def test_a_source_behind_a_link_is_refused_as_well(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(ConfigError, match="source"):
        preprocess(tmp_path / "link", tmp_path / "in" / "out", SMALL)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.png"]


def test_links_in_the_destination_never_lead_into_the_source(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000-0-a.png").symlink_to(tmp_path / "in" / "a.png")
    before = fingerprint(tmp_path / "in")
    run = Run(tmp_path)
    assert fingerprint(tmp_path / "in") == before
    assert not (run.out / "00000-0-a.png").is_symlink()
    (tmp_path / "out" / "focal points").symlink_to(tmp_path / "in")
    with pytest.raises(ConfigError, match="source"):
        Run(tmp_path)


def test_a_whole_run_leaves_the_source_as_it_was(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png", gradient(200, 100))
    (tmp_path / "in" / "a.txt").write_text("words")
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG")
    before = fingerprint(tmp_path / "in")
    Run(tmp_path)
    assert fingerprint(tmp_path / "in") == before


def test_a_source_inside_the_destination_is_fine(tmp_path: Path) -> None:
    put(tmp_path / "out" / "raw" / "a.png")
    assert preprocess(tmp_path / "out" / "raw", tmp_path / "out", SMALL).written == 1


@pytest.mark.parametrize("place", ["nothing", "file"])
def test_a_source_that_is_no_folder_is_a_data_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot read the folder"):
        preprocess(tmp_path / place, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


def test_a_destination_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "out").touch()
    with pytest.raises(StorageError):
        Run(tmp_path)


def test_a_destination_of_circular_links_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "out").symlink_to(tmp_path / "out")
    with pytest.raises((ConfigError, StorageError)):
        Run(tmp_path)


def test_a_full_disk_ends_the_work_and_leaves_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        put(tmp_path / "in" / f"{name}.png")
    replace, calls = os.replace, iter([True, False])

    def full(source: str, target: Path) -> None:
        if not next(calls):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("ti_core.files.atomic.os.replace", full)
    with pytest.raises(StorageError, match="disk is full"):
        Run(tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00000-0-a.png"]


# --- hostile input ----------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """A PNG that is nothing but its header, and no longer than a few bytes."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    idat = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + chunk + idat


@pytest.mark.parametrize("size", [(20_000, 15_000), (12_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_300_megapixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png_header(*size))
    from PIL import PngImagePlugin

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", None)
    assert "pixels" in Run(tmp_path).reasons["a.png"]


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_picture_is_skipped_with_a_reason(tmp_path: Path, format_: str) -> None:
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(data, format_)
    (tmp_path / "in").mkdir()
    for part in (0, 4, 20, 100, len(data.getvalue()) // 2):
        (tmp_path / "in" / f"{part}.png").write_bytes(data.getvalue()[:part])
    put(tmp_path / "in" / "whole.png")
    run = Run(tmp_path)
    assert len(run.reasons) == 5
    assert all(run.reasons.values())
    assert run.names() == ["00005-0-whole.png"]


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(
    tmp_path: Path, ending: str
) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "lime")]
    put(tmp_path / "in" / f"a.{ending}", frames[0], save_all=True, append_images=frames[1:])
    put(tmp_path / "in" / f"still.{ending}")
    run = Run(tmp_path)
    assert run.notes[f"a.{ending}"] == ("it holds several images: the first is taken",)
    assert run.notes[f"still.{ending}"] == ()
    assert loaded(run.out / "00000-0-a.png").getpixel((9, 9)) == pytest.approx((255, 0, 0), abs=3)


def test_a_photograph_with_a_second_view_inside_is_a_photograph(tmp_path: Path) -> None:
    views = [gradient(64, 64), Image.new("L", (64, 64))]
    put(tmp_path / "in" / "a.jpg", views[0], format="MPO", save_all=True, append_images=views[1:])
    assert Run(tmp_path).notes == {"a.jpg": ()}


def test_pictures_of_every_mode_become_rgb(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    put(folder / "cmyk.jpg", Image.new("CMYK", (64, 64), (0, 0, 0, 0)))
    put(folder / "deep.png", Image.fromarray(np.full((64, 64), 65535, dtype=np.uint16)))
    put(folder / "grey.png", Image.new("L", (64, 64), 255))
    palette = Image.new("P", (64, 64), 3)
    palette.putpalette([0] * 768)
    put(folder / "palette.png", palette, transparency=3)
    put(folder / "through.png", Image.new("RGBA", (64, 64), (255, 0, 0, 0)))
    run = Run(tmp_path)
    for path in sorted(run.out.iterdir()):
        image = loaded(path)
        assert (image.mode, image.getpixel((9, 9))) == ("RGB", (255, 255, 255)), path.name
    said = {name for name, notes in run.notes.items() if notes}
    assert said == {"palette.png", "through.png"}


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("two\nlines", "00000-0-two lines.png"),
        ("🙂👩‍🚀", "00000-0-🙂👩‍🚀.png"),
        ("x" * 250, f"00000-0-{'x' * 243}.png"),
        ("é" * 125, f"00000-0-{'é' * 121}.png"),
        ("-rf", "00000-0--rf.png"),
        ("..", "00000-0-...png"),
        (".hidden", "00000-0-.hidden.png"),
        ("%s{0}$HOME", "00000-0-%s{0}$HOME.png"),
    ],
)
def test_a_picture_of_any_name_is_written(tmp_path: Path, name: str, written: str) -> None:
    put(tmp_path / "in" / "a.png").rename(tmp_path / "in" / f"{name}.png")
    run = Run(tmp_path)
    assert run.names() == [written]
    assert "\n" not in str(run.all(PictureDone)[0])


def test_a_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    put(tmp_path / "in" / "a.png").rename(tmp_path / "in" / name)
    assert Run(tmp_path).names() == [f"00000-0-{name}"]


def test_pipes_folders_and_circular_links_are_skipped_without_waiting(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    put(folder / "z.png")
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "z.txt")
    (folder / "folder.png").mkdir()
    (folder / "self.png").symlink_to("self.png")
    (folder / "a.png").symlink_to("b.png")
    (folder / "b.png").symlink_to("a.png")
    (folder / "up").symlink_to(".")
    (folder / "gone.png").symlink_to("nothing")
    (folder / "device.png").symlink_to("/dev/zero")
    captions = CaptionConfig(existing_caption="copy")
    run = Run(tmp_path, PreprocessConfig(width=64, height=64, captions=captions))
    assert run.reasons["pipe.png"] == "it is a pipe, not a file"
    assert run.reasons["folder.png"] == run.reasons["up"] == "it is a folder, not a file"
    assert run.reasons["device.png"] == "it is a device, not a file"
    assert "links" in run.reasons["self.png"]
    assert {"a.png", "b.png", "gone.png"} <= set(run.reasons)
    assert len(run.names()) == 1


def test_a_picture_that_may_not_be_read_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = put(tmp_path / "in" / "a.png")
    put(tmp_path / "in" / "b.png")
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # root may read everything
        open_ = os.open

        def refusing(path: str | Path, *rest: int) -> int:
            if Path(os.fspath(path)) == locked:
                raise PermissionError(13, "Permission denied")
            return open_(path, *rest)

        monkeypatch.setattr("ti_core.files.regular_file.os.open", refusing)
    run = Run(tmp_path)
    assert run.reasons == {"a.png": "Permission denied"}
    assert run.names() == ["00001-0-b.png"]


def test_a_file_that_would_start_another_program_is_no_picture(tmp_path: Path) -> None:
    """Pillow hands EPS to Ghostscript, whatever the file is called."""
    (tmp_path / "in").mkdir()
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n"
    (tmp_path / "in" / "a.png").write_bytes(eps)
    assert "not an image" in Run(tmp_path).reasons["a.png"]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (50_000, 1)])
def test_pictures_of_extreme_shapes_are_done_or_skipped(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    put(tmp_path / "in" / "a.png", Image.new("RGB", size, "red"))
    config = PreprocessConfig(width=64, height=64, split_images=SplitConfig(split=True))
    run = Run(tmp_path, config)
    assert run.finished.pictures + run.finished.skipped == 1
    for path in run.out.iterdir():
        assert loaded(path).size == (64, 64)
