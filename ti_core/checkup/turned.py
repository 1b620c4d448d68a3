"""Images that lie on their side in the file."""

from __future__ import annotations

from collections.abc import Iterator

from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey


def rotated(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images that only their EXIF tag turns upright."""
    names = survey.which(lambda picture: picture.turned)
    if names:
        yield Finding(
            "rotated",
            "hint",
            f"{len(names)} image(s) are stored sideways and rotated by an EXIF tag",
            "this program turns them upright, A1111's and other trainers do not",
            "nothing to do here; save them again if other programs should use them",
            names,
        )
