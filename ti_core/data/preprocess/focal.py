"""A crop around what is interesting: A1111's "Auto focal point crop".

Faces, corners and the richest part each have a point; the weighted mean of the points is where the
crop wants its middle. What A1111 did not promise: a face that fits into the crop is never cut, and
nothing but the image is ever in the crop, whatever its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..pictures import Box, cover_box
from .config import FocalConfig
from .faces import Face, FaceFinder
from .interest import Point, corners, richest_window

LONGEST = 4
"""An image is first cut to this many times the crop's length at most: a strip a million pixels
long would fill the memory."""
UPPER = 0.3
"""Where portraits have the face: so far down."""
SHORT_SIDE = 256
"""Corners and tones are looked for in a copy of this size: the same in a tenth of the time."""


@dataclass(frozen=True)
class Sight:
    """Something that draws the crop towards it."""

    name: str
    points: tuple[Point, ...]
    weight: float
    """as it was set, not yet divided by the sum over the sights that were found"""

    @property
    def centre(self) -> Point:
        """The mean of its points."""
        xs, ys = zip(*self.points, strict=True)
        return sum(xs) / len(xs), sum(ys) / len(ys)


@dataclass(frozen=True)
class FocalCrop:
    """A crop, and what led to it."""

    image: Image.Image
    whole: Image.Image
    """The image, just large enough to cover the size."""
    box: tuple[int, int, int, int]
    """The crop in `whole`: left, top, right, bottom."""
    sights: tuple[Sight, ...]
    faces: tuple[Face, ...]


def focal_crop(
    image: Image.Image, width: int, height: int, config: FocalConfig, find_faces: FaceFinder | None
) -> FocalCrop:
    """The most interesting (width, height) part of an RGB image scaled to cover that size.

    Without `find_faces` the upper part of an upright image takes the place of faces: there they
    are in most portraits.
    """
    whole = covering(image, width, height)
    faces = tuple(find_faces(whole)) if find_faces and config.focal_crop_face_weight else ()
    weight = config.focal_crop_face_weight
    face = Sight("face", _middles(faces), weight)
    if find_faces is None:
        face = Sight("upper part", _likely_face(whole.size), weight)
    sights = _sights(whole, (width, height), config, face)
    x, y = _middle(sights, whole.size)
    left = _placed(x - width // 2, width, whole.width, [(f[0], f[2]) for f in faces])
    top = _placed(y - height // 2, height, whole.height, [(f[1], f[3]) for f in faces])
    box = (left, top, left + width, top + height)
    return FocalCrop(whole.crop(box), whole, box, sights, faces)


def covering(image: Image.Image, width: int, height: int) -> Image.Image:
    """The image scaled so that it covers the size; of one that is very long, the middle."""
    scale = max(width / image.width, height / image.height)
    size = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    kept = min(size[0], LONGEST * width), min(size[1], LONGEST * height)
    box: Box = (0, 0, *image.size) if kept == size else cover_box(image.size, *kept)
    return image.resize(kept, Image.Resampling.LANCZOS, box=box)


def _likely_face(size: tuple[int, int]) -> tuple[Point, ...]:
    return ((size[0] / 2, size[1] * UPPER),) if size[1] > size[0] else ()


def _middles(faces: Sequence[Face]) -> tuple[Point, ...]:
    """The middles of the large faces: a small one beside them is a bystander, or no face."""
    widest = max((face[2] - face[0] for face in faces), default=0)
    large = [face for face in faces if 2 * (face[2] - face[0]) >= widest]
    return tuple(((f[0] + f[2]) / 2, (f[1] + f[3]) / 2) for f in large)


def _sights(
    image: Image.Image, size: tuple[int, int], config: FocalConfig, face: Sight
) -> tuple[Sight, ...]:
    """What was found, of those that have a weight."""
    scale = max(1.0, min(image.size) / SHORT_SIDE)
    width, height, *window = (round(side / scale) for side in (*image.size, *size))
    small = image.resize((width, height), Image.Resampling.BOX)
    richest = richest_window(small, *window) if config.focal_crop_entropy_weight else []
    edges = corners(small) if config.focal_crop_edges_weight else []
    found = (
        face,
        Sight("entropy", _enlarged(richest, scale), config.focal_crop_entropy_weight),
        Sight("edges", _enlarged(edges, scale), config.focal_crop_edges_weight),
    )
    return tuple(sight for sight in found if sight.points and sight.weight)


def _enlarged(points: Sequence[Point], scale: float) -> tuple[Point, ...]:
    return tuple((x * scale, y * scale) for x, y in points)


def _middle(sights: Sequence[Sight], size: tuple[int, int]) -> tuple[int, int]:
    """The weighted mean of the sights; the centre of the image when there are none."""
    total = sum(sight.weight for sight in sights)
    if not total:
        return size[0] // 2, size[1] // 2
    x, y = (sum(s.centre[axis] * s.weight for s in sights) / total for axis in (0, 1))
    return round(x), round(y)


def _placed(start: int, length: int, whole: int, spans: Sequence[tuple[int, int]]) -> int:
    """Where the crop begins along one side: as near to `start` as the image allows, and moved
    so that it holds all faces, or at least the largest, when they fit."""
    for wanted in (
        (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else (0, whole),
        max(spans, key=lambda s: s[1] - s[0], default=(0, whole)),
    ):
        if wanted[1] - wanted[0] <= length:
            start = min(max(start, wanted[1] - length), wanted[0])
            break
    return min(max(start, 0), whole - length)


_COLOURS = {"face": "#f00", "upper part": "#f00", "entropy": "#ff0", "edges": "#00f"}
_CROP, _FACES = "#0f0", "#f0f"


def debug_picture(crop: FocalCrop) -> Image.Image:
    """The whole image with the crop, the faces, and each sight's points, centre and share."""
    image = crop.whole.copy()
    draw = ImageDraw.Draw(image)
    total = sum(sight.weight for sight in crop.sights)
    for face in crop.faces:
        draw.rectangle(face, outline=_FACES, width=2)
    for line, sight in enumerate(crop.sights):
        colour = _COLOURS[sight.name]
        for point in sight.points:
            draw.rectangle(_around(point, 2), outline=colour)
        share = sight.weight / total
        draw.ellipse(_around(sight.centre, min(image.size) * 0.05 * share + 4), outline=colour)
        for shift, ink in ((1, "#000"), (0, colour)):
            place = 6 + shift, 6 + 14 * line + shift
            draw.text(place, f"{sight.name} {share:.2f}", fill=ink)
    left, top, right, bottom = crop.box
    draw.rectangle((left, top, right - 1, bottom - 1), outline=_CROP, width=2)
    return image


def _around(point: Point, radius: float) -> Box:
    return point[0] - radius, point[1] - radius, point[0] + radius, point[1] + radius
