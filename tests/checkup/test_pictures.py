"""Rules about single pictures: each speaks when it should, and only then."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Check, Save, noise

R = Image.Resampling


# --- files --------------------------------------------------------------------------------------


def test_pictures_that_cannot_be_read_are_errors(save: Save, check: Check) -> None:
    folder = save(noise(0), noise(1), noise(2))
    assert "unreadable" not in check()
    (folder / "broken.jpg").write_bytes((folder / "00.png").read_bytes()[:5000])
    found = check()["unreadable"]
    assert (found.severity, found.files) == ("error", ("broken.jpg",))


def test_each_reason_of_unreadable_pictures_is_told(save: Save, check: Check) -> None:
    folder = save(noise(0), noise(1), noise(2))
    (folder / "empty.jpg").touch()
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    found = check()["unreadable"]
    assert "empty.jpg: " in found.what
    assert "phone.heic: " in found.what
    assert "export them again" in found.fix


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_nowhere_are_told(save: Save, check: Check) -> None:
    folder = save(noise(0), noise(1), noise(2))
    assert "no_files" not in check()
    (folder / "moved.png").symlink_to(folder / "gone.png")
    (folder / "00.txt").symlink_to(folder / "gone.txt")
    found = check()["no_files"]
    assert (found.severity, found.files) == ("warning", ("00.txt", "moved.png"))


def test_a_folder_of_broken_pictures_has_no_pictures(check: Check, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    found = check()
    assert found["no_pictures"].severity == found["unreadable"].severity == "error"
    assert "pictures_per_vector" not in found


@pytest.mark.parametrize("folder", ["", "missing", "file.txt"])
def test_a_folder_without_pictures_is_a_finding_too(
    check: Check, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file.txt").touch()
    assert list(check(train_data_dir=str(tmp_path / folder))) == ["no_pictures"]


def test_where_pictures_are_only_in_folders_below_those_are_named(
    check: Check, tmp_path: Path
) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").touch()
    (tmp_path / "empty").mkdir()
    found = check()
    assert list(found) == ["no_pictures"]
    assert "cat/" in found["no_pictures"].fix
    assert found["no_pictures"].files == ("cat/",)


def test_pictures_of_other_kinds_and_in_folders_below_are_named(save: Save, check: Check) -> None:
    folder = save(noise(0))
    (folder / "empty").mkdir()
    (folder / "notes.md").touch()
    assert "ignored" not in check()
    (folder / "._0.png").write_bytes(b"\0\5\x16\7")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "a.png").touch()
    assert "ignored" not in check()
    (folder / "IMG_1.dng").touch()
    noise(1).save(folder / "IMG_2", format="JPEG")
    (folder / "10_cat").mkdir()
    (folder / "10_cat" / "a.png").touch()
    assert check()["ignored"].files == ("IMG_1.dng", "IMG_2", "10_cat/")
    assert check()["ignored"].severity == "warning"


def test_captions_without_a_picture_are_named(save: Save, check: Check) -> None:
    folder = save(noise(0), caption="a cat")
    (folder / "readme.md").touch()
    assert "stray_caption" not in check()
    (folder / "0.txt").touch()
    (folder / "x.caption").touch()
    assert check()["stray_caption"].files == ("0.txt", "x.caption")


# --- size and shape -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "mode", "rule"),
    [
        ((256, 256), "cover", None),
        ((240, 400), "cover", None),
        ((200, 400), "cover", "enlarged"),
        ((200, 400), "pad", None),
        ((128, 128), "pad", "too_small"),
        ((128, 900), "stretch", "too_small"),
        ((100, 100), "cover", "too_small"),
    ],
)
def test_pictures_that_training_enlarges_are_told(
    save: Save, check: Check, size: tuple[int, int], mode: str, rule: str | None
) -> None:
    save(Image.new("RGB", size), Image.new("RGB", (300, 300)))
    found = check(resize_mode=mode)
    assert {name for name in ("too_small", "enlarged") if name in found} == ({rule} - {None})
    if rule:
        assert found[rule].files == ("00.png",)


def test_distortion_is_told_only_where_pictures_are_stretched(save: Save, check: Check) -> None:
    save(noise(0).resize((256, 300)), noise(1), noise(2).resize((260, 256)))
    assert "distorted" not in check()
    assert "distorted" not in check(resize_mode="pad")
    found = check(resize_mode="stretch")["distorted"]
    assert (found.severity, found.files) == ("warning", ("00.png",))
    assert "1.17" in found.what


def test_a_picture_of_which_more_than_half_is_cut_off_is_told(save: Save, check: Check) -> None:
    save(noise(0).resize((256, 500)), noise(1).resize((530, 256)))
    assert check()["cut_off"].files == ("01.png",)
    assert "cut_off" not in check(resize_mode="pad")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_pictures_that_exif_turns_are_told_and_measured_upright(
    tmp_path: Path, check: Check, orientation: int, ending: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise(0).resize((256, 600)).save(tmp_path / f"a.{ending}", exif=exif)
    found = check(size=(128, 256))
    assert ("rotated" in found) == (orientation != 1)
    assert ("cut_off" in found) == (orientation >= 5)


def test_large_jpegs_are_measured_at_their_own_size(tmp_path: Path, check: Check) -> None:
    """They are decoded at an eighth of it."""
    noise(0).resize((1000, 2100)).save(tmp_path / "a.jpg")
    found = check(size=(128, 128))
    assert "cut_off" in found
    assert not {"too_small", "enlarged"} & set(found)
    assert "2.10" in check(size=(128, 128), resize_mode="stretch")["distorted"].what


def test_pictures_without_exif_are_not_turned(save: Save, check: Check) -> None:
    save(noise(0))
    assert "rotated" not in check()


# --- sharpness ----------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("filter", [R.BILINEAR, R.BICUBIC, R.LANCZOS])
def test_enlarged_photographs_are_found_out_and_the_originals_are_not(
    save: Save,
    check: Check,
    small: dict[str, Image.Image],
    filter: Image.Resampling,
    factor: int,
) -> None:
    side = 256 // factor
    less = [image.resize((side, side), R.LANCZOS) for image in small.values()]
    save(*small.values(), *(image.resize((256, 256), filter) for image in less))
    found = check()["blurred"]
    assert found.files == tuple(f"{i}.png" for i in range(14, 28))
    assert found.severity == "hint"


def test_compression_hides_most_enlarged_photographs_not_at_all(
    tmp_path: Path, check: Check, small: dict[str, Image.Image]
) -> None:
    for name, image in small.items():
        enlarged = image.resize((128, 128), R.LANCZOS).resize((256, 256), R.BICUBIC)
        enlarged.save(tmp_path / f"{name}.jpg", quality=80)
    assert len(check()["blurred"].files) >= 12


def test_one_sharp_part_is_enough(save: Save, check: Check, small: dict[str, Image.Image]) -> None:
    """A portrait before a blurred background."""
    blurred = small["coffee"].resize((40, 40)).resize((512, 512), R.BICUBIC)
    save(blurred)
    assert check(size=(512, 512))["blurred"].files == ("00.png",)
    blurred.paste(small["astronaut"], (128, 128))
    save(blurred)
    assert check(size=(512, 512))["blurred"].files == ("00.png",)


def test_what_training_enlarges_or_has_no_contrast_is_not_judged(
    save: Save, check: Check, small: dict[str, Image.Image]
) -> None:
    save(small["coffee"].resize((40, 40)).resize((200, 200)), Image.new("RGB", (256, 256), "red"))
    assert "blurred" not in check()


# --- transparent parts --------------------------------------------------------------------------


def test_transparent_parts_are_told(
    save: Save, check: Check, small: dict[str, Image.Image]
) -> None:
    plain, cut, whole = (image.copy() for image in list(small.values())[:3])
    cut.putalpha(Image.new("L", cut.size, 255))
    cut.paste((0, 0, 0, 0), (0, 0, cut.width // 2, cut.height))
    whole.putalpha(255)
    save(plain, cut, whole)
    found = check()["transparent"]
    assert (found.severity, found.files) == ("hint", ("01.png",))
    assert "up to 50%" in found.what
    assert "transparent" not in check(masked_loss=True)
