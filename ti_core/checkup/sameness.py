"""What is the same in nearly every image, and would be learned with the subject.

Simple statistics of small images: they see colours and places, not things. So these rules say
what they measured, and leave the judgement to the user.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .finding import Finding, unchecked
from .inputs import CheckupInput
from .measures import (
    border_colours,
    layout_likeness,
    middle_colours,
    share_near_median,
    subject_shares,
)
from .survey import Survey

FEWEST = 4
"""Images from which on these rules speak."""
MOST = 0.8
"""Share of the images that must be the same."""
EDGES_APART, MIDDLES_APART = 20.0, 14.0
"""Distances (of 255) up to which colours count as the same."""
SAME_LAYOUT = 0.5
"""Correlation."""
SAME_ZOOM = 1.35
"""Ratio of the subject's areas, between the 90th and the 10th of a hundred images."""


def one_background(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """The edges of nearly all images have the same colours."""
    if len(survey.pictures) < FEWEST:
        return
    share = share_near_median(border_colours(survey.small), EDGES_APART)
    if share >= MOST:
        yield Finding(
            "one_background",
            "hint",
            f"the edges of {share:.0%} of the images have about the same colours",
            "if that is one background, the word learns it too",
            "add images in other places, or describe the background in the captions",
        )


def one_colour(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """The middle of nearly all images has the same colour."""
    if len(survey.pictures) < FEWEST:
        return
    share = share_near_median(middle_colours(survey.small), MIDDLES_APART)
    if share >= MOST:
        yield Finding(
            "one_colour",
            "hint",
            f"the middle of {share:.0%} of the images has about the same colour",
            "right if that is the thing's own colour; if it is clothing, the word learns it too",
            "add images with other clothes, or name the clothes in the captions",
        )


def one_layout(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Light and dark are in the same places in nearly all images."""
    if len(survey.pictures) < FEWEST:
        return
    likeness = layout_likeness(survey.small)
    if likeness >= SAME_LAYOUT:
        yield Finding(
            "one_layout",
            "hint",
            f"light and dark are in the same places (correlation {likeness:.2f})",
            "one pose or one point of view is hard to change in prompts",
            "add images from other sides and in other poses",
        )


def one_zoom(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """The subject takes the same share of nearly all images, where that can be measured."""
    if len(survey.pictures) < FEWEST:
        return
    shares = subject_shares(survey.small)
    shares = shares[np.isfinite(shares) & (shares > 0)]
    if len(shares) < MOST * len(survey.pictures) or len(shares) < FEWEST:
        yield unchecked(
            "one_zoom",
            "whether all images show the subject from one distance; that is measured only "
            "before plain backgrounds",
        )
        return
    low, high = np.percentile(shares, [10, 90])
    if high / low <= SAME_ZOOM:
        yield Finding(
            "one_zoom",
            "hint",
            f"the subject takes about the same share of each image ({low:.0%} to {high:.0%})",
            "close-ups and distant views will be hard to get",
            "add some of both",
        )
