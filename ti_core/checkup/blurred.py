"""Images without fine detail."""

from __future__ import annotations

from collections.abc import Iterator

from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey


def blurred(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images large enough, but without the detail that their size could hold.

    Five parts of each are looked at in its size for training; one sharp part is enough.
    Enlargement by less than about 1.5 times is not noticed.
    """
    names = survey.which(lambda picture: picture.blurred)
    if names:
        yield Finding(
            "blurred",
            "hint",
            f"{len(names)} image(s) have no fine detail",
            "they may have been enlarged before, be out of focus, or strongly smoothed; "
            "the word learns that",
            "look at them at full size; use the originals if there are any",
            names,
        )
