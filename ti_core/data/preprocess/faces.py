"""Faces, found by the classifiers that OpenCV 4 brings along; without them there is no finding.

Nothing is downloaded. A1111 fetched a network from the internet at its first use and fell back to
such classifiers. It tried one for eyes first; an eye is weak evidence, so that one is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...errors import HostError

if TYPE_CHECKING:
    from cv2 import CascadeClassifier

Face = tuple[int, int, int, int]
"""left, top, right, bottom in pixels"""
FaceFinder = Callable[[Image.Image], list[Face]]
"""RGB image → the faces in it"""

CLASSIFIERS = ("frontalface_default", "frontalface_alt2", "profileface")
"""Tried in this order until one finds something."""
SMALLEST = 0.05
"""Smallest face, as a part of the image's short side."""
NEIGHBOURS = 7
"""How many overlapping finds make a face; A1111's number, stricter than OpenCV's 3."""


class NoFaceFinderError(HostError):
    """Faces cannot be looked for on this computer."""


def opencv_faces() -> FaceFinder:
    """A finder of faces.

    Raises NoFaceFinderError when OpenCV is not installed, or is one without the classifiers
    (OpenCV 5 has dropped them).
    """
    fix = "pip install 'opencv-python-headless<5', or continue without face detection"
    try:
        import cv2
    except Exception as error:  # a broken installation can raise anything
        raise NoFaceFinderError(
            "faces are not looked for", "OpenCV is not installed", fix
        ) from error
    loaded = [_classifier(cv2, name) for name in CLASSIFIERS]
    found = [classifier for classifier in loaded if classifier is not None]
    if not found:
        raise NoFaceFinderError(
            "faces are not looked for", "this OpenCV comes without its classifiers", fix
        )
    return lambda image: _faces_in(image, found)


def _classifier(cv2: ModuleType, name: str) -> CascadeClassifier | None:
    try:
        path = Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"
        classifier = cv2.CascadeClassifier(str(path)) if path.is_file() else None
    except (AttributeError, cv2.error):
        return None
    return None if classifier is None or classifier.empty() else classifier


def _faces_in(image: Image.Image, classifiers: list[CascadeClassifier]) -> list[Face]:
    grey = np.asarray(image.convert("L"))
    least = max(1, int(min(image.size) * SMALLEST))
    for classifier in classifiers:
        boxes = classifier.detectMultiScale(
            grey, scaleFactor=1.1, minNeighbors=NEIGHBOURS, minSize=(least, least)
        )
        if len(boxes):
            return [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h in boxes]
    return []
