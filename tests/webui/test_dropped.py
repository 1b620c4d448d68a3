"""Pictures that are dropped on a page become a dataset of the program's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from ti_core.errors import HostBusyError
from ti_webui.dropped import Dropped
from ti_webui.studio import Studio
from ti_webui.tabs.train_pictures import Captions, Pictures


@pytest.fixture
def dropped(studio: Studio) -> Dropped:
    return Dropped(studio)


def files(pictures: Path) -> list[Path]:
    return sorted(pictures.iterdir())


def test_dropped_pictures_lie_under_the_name_with_their_captions(
    dropped: Dropped, pictures: Path
) -> None:
    kept = dropped.keep(files(pictures), "zz cat/..", "")
    assert kept.folder.parent == dropped.home()
    assert kept.folder.name == "zz cat"
    assert len(kept.new) == 5
    for path in files(pictures):
        assert (kept.folder / path.name).read_bytes() == path.read_bytes()


def test_more_pictures_join_those_that_are_there(dropped: Dropped, pictures: Path) -> None:
    first, *rest = files(pictures)
    one = dropped.keep([first], "zz-cat", "")
    two = dropped.keep([first, *rest], "zz-cat", str(one.folder))
    assert two.folder == one.folder
    assert (two.there, len(two.new)) == (1, 4), "the same bytes are taken once"
    assert dropped.keep([first], "zz-cat", "").folder.name == "zz-cat-2"
    assert dropped.keep([first], "zz-cat", str(pictures)).folder.name == "zz-cat-3"
    assert len(files(pictures)) == 10, "a folder of the user's own is not written to"


def test_pictures_of_one_name_are_all_kept(dropped: Dropped, tmp_path: Path) -> None:
    paths = []
    for number, colour in enumerate(("red", "blue")):
        (tmp_path / str(number)).mkdir()
        paths.append(tmp_path / str(number) / "image.png")
        Image.new("RGB", (64, 64), colour).save(paths[-1])
    kept = dropped.keep(paths, "zz", "")
    assert kept.new == ["image.png", "image-2.png"]
    assert (kept.folder / "image-2.png").read_bytes() == paths[1].read_bytes()


def test_what_is_not_a_picture_is_refused_with_a_reason(dropped: Dropped, tmp_path: Path) -> None:
    for name, data in (("a.exe", b"MZ"), ("b.png", b"no image"), ("alone.txt", b"words")):
        (tmp_path / name).write_bytes(data)
    kept = dropped.keep([tmp_path / "a.exe", tmp_path / "b.png", tmp_path / "alone.txt"], "zz", "")
    assert kept.new == []
    assert [text.split(":")[0] for text in kept.refused] == ["a.exe", "b.png"]
    assert list(kept.folder.iterdir()) == []


def test_captions_of_strangers_are_not_taken(
    dropped: Dropped, pictures: Path, tmp_path: Path
) -> None:
    """Where a page may open some folders only, an old gradio would lend it any file as dropped."""
    dropped.studio.dataset_roots = lambda: (tmp_path,)
    kept = dropped.keep(files(pictures), "zz", "")
    assert len(kept.new) == 5
    assert not list(kept.folder.glob("*.txt"))


def test_a_dataset_without_a_name_gets_that_of_its_embedding(
    dropped: Dropped, pictures: Path
) -> None:
    kept = dropped.keep(files(pictures), "", "")
    assert kept.folder.name == "new images"
    with pytest.raises(HostBusyError), dropped.named_after(str(kept.folder), "zz-cat"):
        raise HostBusyError("something is at work")
    assert kept.folder.is_dir()
    with dropped.named_after(str(kept.folder), "zz-cat") as named:
        assert Path(named) == dropped.home() / "zz-cat"
    assert not kept.folder.exists()
    with dropped.named_after(named, "zz-other") as again:
        assert again == named, "it has a name"
    with dropped.named_after(str(pictures), "zz-other") as foreign:
        assert foreign == str(pictures)
    for text in ("", str(dropped.home()), str(dropped.home() / ".." / "x"), "\0"):
        assert not dropped.is_own(text)


def test_the_page_shows_what_was_dropped(studio: Studio, pictures: Path) -> None:
    page = Pictures(studio)
    field, folder, said, shown = page.take([str(p) for p in files(pictures)], "zz-cat", "")
    assert field["value"] is None, "ready for more"
    assert folder["value"] == str(page.dropped.home() / "zz-cat")
    assert "5 image(s) are in" in said
    assert "5 image(s), 5 with a caption" in said
    assert shown["visible"] is True
    assert [name for _, name in shown["value"]] == [p.name for p in files(pictures)[::2]]
    assert page.show("")[1]["visible"] is False


def test_turned_and_double_pictures_are_reported_at_once(studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    image = Image.effect_noise((512, 512), 80).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "a.jpg", exif=exif)
    image.save(folder / "b.png")
    shutil.copyfile(folder / "b.png", folder / "c.png")
    said, _ = Pictures(studio).show(str(folder))
    assert "EXIF" in said
    assert "b.png" in said
    assert "alike" in said or "same" in said


def test_images_are_small_for_the_size_that_the_form_asks_for(
    studio: Studio, pictures: Path
) -> None:
    """They have 64 px, as the model has."""
    page, folder = Pictures(studio), str(pictures)
    assert "smaller" not in page.say(folder)
    assert "far smaller than 512x256" in page.say(folder, 512, 256)
    assert "smaller" not in page.show(folder, 0, None)[0]


class Click:
    """A picture of the gallery was clicked."""

    def __init__(self, index: int) -> None:
        self.index = index


def test_a_caption_is_written_in_place(studio: Studio, pictures: Path) -> None:
    page, seen, folder = Pictures(studio), Captions(), str(pictures)
    name, field, *_ = page.choose(folder, seen, Click(1))  # type: ignore[arg-type]
    file = (pictures / name).with_suffix(".txt")
    assert (field["label"], field["value"]) == (name, "a green disc on white\n")
    assert page.write(folder, name, field["value"], seen) == "", "nothing was changed"
    assert "is saved" in page.write(folder, name, "a green [name]", seen)
    assert "is saved" in page.write(folder, name, "a new [name]", seen), "again"
    assert file.read_text() == "a new [name]"
    file.write_text("written elsewhere")
    assert "ti-error" in page.write(folder, name, "mine", seen)
    assert file.read_text() == "written elsewhere"
    assert page.write(folder, "../settings.json", "x", seen) == "", "was never shown"
    assert page.choose(folder, seen, Click(9))[0] == ""  # type: ignore[arg-type]
