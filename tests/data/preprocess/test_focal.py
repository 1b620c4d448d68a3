"""The focal crop: where it looks, and that a real face is in it, with and without OpenCV."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.data.preprocess.folders import Run, loaded, put
from ti_core.data.preprocess import faces
from ti_core.data.preprocess.config import FocalConfig, PreprocessConfig
from ti_core.data.preprocess.faces import Face, NoFaceFinderError, opencv_faces
from ti_core.data.preprocess.focal import focal_crop
from ti_core.data.preprocess.interest import corners, richest_window

FACE = (178, 67, 270, 160)
"""The astronaut's face in scikit-image's picture of 512 x 512 pixels, measured by eye."""
CUTS = [
    ((60, 0, 360, 512), (512, 512)),
    ((100, 0, 412, 512), (512, 512)),
    ((0, 0, 512, 256), (512, 512)),
    ((0, 0, 512, 320), (512, 768)),
    ((0, 0, 512, 320), (768, 512)),
    ((60, 0, 360, 512), (512, 768)),
]
"""Parts of that picture (left, top, right, bottom), and the size of the crop."""


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut())


def where(cut: tuple[int, int, int, int], size: tuple[int, int]) -> Face:
    """The face in a part of the picture that is scaled to cover `size`."""
    scale = max(size[0] / (cut[2] - cut[0]), size[1] / (cut[3] - cut[1]))
    left, top = cut[0], cut[1]
    x0, y0, x1, y1 = FACE
    a, b, c, d = (round(v * scale) for v in (x0 - left, y0 - top, x1 - left, y1 - top))
    return a, b, c, d


def holds(box: Face, face: Face) -> bool:
    return all(box[i] <= face[i] and face[i + 2] <= box[i + 2] for i in (0, 1))


@pytest.mark.parametrize(("cut", "size"), CUTS)
def test_the_astronauts_face_is_in_the_crop_without_opencv(
    astronaut: Image.Image, cut: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    crop = focal_crop(astronaut.crop(cut), *size, FocalConfig(), None)
    assert crop.image.size == size
    assert holds(crop.box, where(cut, size))


@pytest.mark.parametrize(("cut", "size"), [*CUTS, ((60, 0, 360, 512), (768, 512))])
def test_the_astronauts_face_is_in_the_crop_when_it_is_found(
    astronaut: Image.Image, cut: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    face = where(cut, size)
    crop = focal_crop(astronaut.crop(cut), *size, FocalConfig(), lambda image: [face])
    assert holds(crop.box, face)


@pytest.mark.parametrize(("cut", "size"), CUTS[:3])
def test_opencv_finds_the_astronauts_face(
    astronaut: Image.Image, cut: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    try:
        finder = opencv_faces()
    except NoFaceFinderError as error:
        pytest.skip(str(error))
    crop = focal_crop(astronaut.crop(cut), *size, FocalConfig(), finder)
    assert crop.sights[0].name == "face"
    assert holds(crop.box, where(cut, size))


def test_the_centre_crop_would_have_cut_that_face(astronaut: Image.Image) -> None:
    cut, size = CUTS[0]
    assert not holds((0, 181, 512, 693), where(cut, size))


# --- the point --------------------------------------------------------------------------------


def dark(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), (20, 20, 20))


def with_square(width: int, height: int, left: int, top: int, side: int = 20) -> Image.Image:
    image = dark(width, height)
    image.paste((250, 250, 250), (left, top, left + side, top + side))
    return image


def test_an_even_picture_is_cropped_at_its_centre() -> None:
    crop = focal_crop(dark(200, 100), 100, 100, FocalConfig(focal_crop_entropy_weight=0), None)
    assert crop.sights == ()
    assert crop.box == (50, 0, 150, 100)


@pytest.mark.parametrize("left", [10, 100, 270])
def test_corners_draw_the_crop_to_them(left: int) -> None:
    only_edges = FocalConfig(focal_crop_entropy_weight=0, focal_crop_face_weight=0)
    crop = focal_crop(with_square(300, 100, left, 30), 100, 100, only_edges, None)
    assert crop.box[0] == pytest.approx(min(max(left + 10 - 50, 0), 200), abs=2)


def test_the_corners_of_a_square_are_found() -> None:
    found = sorted((round(x), round(y)) for x, y in corners(with_square(100, 100, 40, 30)))
    assert np.abs(np.array(found) - [(40, 30), (40, 49), (59, 30), (59, 49)]).max() <= 2


def test_a_watermark_at_the_bottom_does_not_count() -> None:
    assert corners(with_square(200, 200, 150, 185, 10)) == []


def test_the_richest_window_is_where_the_tones_are() -> None:
    image = dark(300, 100)
    noise = np.random.default_rng(0).integers(0, 256, (100, 80, 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (200, 0))
    [(x, y)] = richest_window(image, 100, 100)
    assert 230 <= x <= 250
    assert y == 50
    [(x, y)] = richest_window(image.transpose(Image.Transpose.ROTATE_90), 100, 100)
    assert x == 50
    assert y == pytest.approx(60, abs=10)
    assert richest_window(image, 300, 100) == []


def test_the_crop_is_the_weighted_mean_of_what_was_found() -> None:
    """A1111: each sight's weight is divided by the sum of those that found something."""
    image = with_square(400, 100, 300, 40)
    config = FocalConfig(focal_crop_entropy_weight=0, focal_crop_edges_weight=0.3)
    face = (90, 40, 110, 60)
    crop = focal_crop(image, 100, 100, config, lambda image: [face])
    names = [sight.name for sight in crop.sights]
    assert names == ["face", "edges"]
    mean = (0.9 * 100 + 0.3 * crop.sights[1].centre[0]) / 1.2
    assert mean == pytest.approx(152.5, abs=2), "further right than the face"
    assert crop.box[0] == 90, "so the crop is moved until the face is whole"


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ([(180, 40, 200, 60)], 140),
        ([(180, 40, 200, 60), (230, 40, 250, 60)], 165),
        ([(10, 0, 90, 80), (350, 40, 370, 60)], 0),
        ([(0, 0, 400, 100)], 150),
    ],
    ids=["one", "two that fit", "a bystander", "larger than the crop"],
)
def test_faces_are_whole_when_they_fit(found: list[Face], left: int) -> None:
    only_faces = FocalConfig(focal_crop_entropy_weight=0, focal_crop_edges_weight=0)
    crop = focal_crop(dark(400, 100), 100, 100, only_faces, lambda image: found)
    assert crop.box == (left, 0, left + 100, 100)


@pytest.mark.parametrize("size", [(1000, 300), (301, 300), (3, 1000), (100_000, 2), (7, 5)])
@pytest.mark.parametrize("target", [(64, 64), (64, 128), (192, 64)])
def test_the_crop_is_full_of_picture_whatever_the_shapes(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    """A1111 crops beyond the picture when the target is longer than it."""
    crop = focal_crop(Image.new("RGB", size, (9, 99, 199)), *target, FocalConfig(), None)
    assert crop.image.size == target
    assert crop.image.getcolors() == [(target[0] * target[1], (9, 99, 199))]


# --- OpenCV -----------------------------------------------------------------------------------


class Classifier:
    """OpenCV's, as far as it is used."""

    asked: list[str] = []  # noqa: RUF012

    def __init__(self, path: str) -> None:
        self.name = Path(path).stem

    def empty(self) -> bool:
        return False

    def detectMultiScale(self, grey: NDArray[np.uint8], **how: object) -> object:
        assert grey.dtype == np.uint8
        assert (how["scaleFactor"], how["minNeighbors"]) == (1.1, 7)
        self.asked.append(self.name)
        return np.array([[10, 20, 30, 40]]) if "profile" in self.name else ()


@pytest.fixture
def fake_cv2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An OpenCV 4 that sees one face, from the side."""
    for name in faces.CLASSIFIERS:
        (tmp_path / f"haarcascade_{name}.xml").touch()
    module: Any = ModuleType("cv2")
    module.data = SimpleNamespace(haarcascades=f"{tmp_path}/")
    module.CascadeClassifier, module.error = Classifier, ValueError
    monkeypatch.setitem(sys.modules, "cv2", module)
    monkeypatch.setattr(Classifier, "asked", [])
    return module


def test_the_classifiers_are_tried_until_one_finds_a_face(fake_cv2: ModuleType) -> None:
    assert opencv_faces()(dark(100, 100)) == [(10, 20, 40, 60)]
    assert Classifier.asked == [f"haarcascade_{name}" for name in faces.CLASSIFIERS]


@pytest.mark.parametrize("missing", ["all of it", "the class", "the files"])
def test_an_opencv_that_cannot_find_faces_is_told_of(
    fake_cv2: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    if missing == "all of it":
        monkeypatch.setitem(sys.modules, "cv2", None)
    elif missing == "the class":
        del fake_cv2.CascadeClassifier
    else:
        fake_cv2.data.haarcascades = str(tmp_path / "nothing")
    with pytest.raises(NoFaceFinderError, match="faces are not looked for"):
        opencv_faces()


FOCAL = PreprocessConfig(
    width=64, height=64, focal_point=FocalConfig(focal_crop=True, focal_crop_debug=True)
)


def test_without_opencv_the_user_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    put(tmp_path / "in" / "a.png")
    put(tmp_path / "in" / "b.png")
    [notice] = Run(tmp_path, FOCAL).notices
    assert "OpenCV is not installed" in notice
    assert "upper part" in notice


def test_the_debug_picture_lies_where_nobody_trains_on_it(
    tmp_path: Path, fake_cv2: ModuleType
) -> None:
    """A1111 put it among the pictures, with a caption and a mirrored copy."""
    put(tmp_path / "in" / "a.png")
    run = Run(tmp_path, FOCAL)
    assert run.notices == []
    assert run.names() == ["00000-0-a.png", "focal points"]
    debug = loaded(run.out / "focal points" / "00000-0-a.png")
    assert debug.size == (96, 64)
    colours = {colour for _, colour in debug.convert("RGB").getcolors(10_000) or []}
    assert {(0, 255, 0), (255, 0, 255)} <= colours, "the crop and the face are drawn"
