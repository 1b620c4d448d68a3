"""Images whose size or shape does not fit the training's."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import setting
from .finding import Finding
from .inputs import CheckupInput
from .survey import Picture, Survey

TOO_SMALL = 2.0
"""Enlarged so many times, most of what is learned is made up."""
ENLARGED = 1.1
"""Less than this cannot be seen."""
DISTORTED = 1.05
"""Less than this cannot be seen."""
CUT_OFF = 0.5
"""Share of an image."""


def too_small(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images that training has to enlarge."""
    size = f"{inputs.size[0]}x{inputs.size[1]}"
    most = max((picture.scale for picture in survey.pictures), default=0)
    names = survey.which(lambda picture: picture.scale >= TOO_SMALL)
    if names:
        yield Finding(
            "too_small",
            "warning",
            f"{len(names)} image(s) are far smaller than {size}, enlarged up to {most:.1f} times",
            "the word learns to be blurred",
            "find larger ones, or train at a smaller size",
            names,
        )
    names = survey.which(lambda picture: ENLARGED < picture.scale < TOO_SMALL)
    if names:
        yield Finding(
            "enlarged",
            "hint",
            f"{len(names)} image(s) are smaller than {size} and will be enlarged",
            "they come out a little soft",
            "find larger ones, or train at a smaller size",
            names,
        )


def distorted(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images of another shape, with `resize_mode` stretch. One that was distorted before it
    came here cannot be told from one that was not."""
    if inputs.data.resize_mode != "stretch":
        return
    names = survey.which(lambda picture: _misfit(picture) > DISTORTED)
    if names:
        most = max(_misfit(picture) for picture in survey.pictures)
        yield Finding(
            "distorted",
            "warning",
            f"{len(names)} image(s) are not of the training's shape, stretched up to {most:.2f}x",
            "the word learns the distorted shape",
            f"use {setting('resize_mode')} cover, or cut the images first",
            names,
        )


def cut_off(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images of which covering the training size leaves less than half."""
    if inputs.data.resize_mode != "cover":
        return
    names = survey.which(lambda picture: 1 / _misfit(picture) < 1 - CUT_OFF)
    if names:
        yield Finding(
            "cut_off",
            "hint",
            f"of {len(names)} image(s) more than half is cut off",
            "only the middle is seen; the subject may be elsewhere",
            f"cut them by hand, or use {setting('resize_mode')} pad",
            names,
        )


def _misfit(picture: Picture) -> float:
    """How much longer one side is than the training's shape wants; at least 1."""
    ratio = picture.size[0] * picture.frame.height / (picture.size[1] * picture.frame.width)
    return max(ratio, 1 / ratio)
