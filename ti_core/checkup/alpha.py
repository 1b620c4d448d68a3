"""Transparent parts of images, which training sees as white."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import setting
from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey

SEEN = 0.001
"""Less than this share of an image cannot be seen."""


def transparent(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images with transparent parts that are not masks."""
    names = survey.which(lambda picture: picture.unseen > SEEN)
    if names:
        most = max(picture.unseen for picture in survey.pictures)
        yield Finding(
            "transparent",
            "hint",
            f"{len(names)} image(s) are transparent in parts, up to {most:.0%} ({names[0]})",
            "these parts become white, and white is learned with the subject",
            f"add a background, or exclude these parts with {setting('masked_loss')}",
            names,
        )
