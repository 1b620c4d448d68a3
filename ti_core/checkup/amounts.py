"""How many images, for how many vectors."""

from __future__ import annotations

from collections.abc import Iterator

from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey

FEWEST = 3
"""The paper trains with 3 to 5 images (Gal et al. 2022)."""


def pictures_per_vector(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """More vectors can hold more, but also learn single images by heart."""
    count = len(survey.pictures)
    if not count:
        yield Finding(
            "no_pictures",
            "error",
            "not one image can be read",
            "",
            "export the images again, or choose another folder",
        )
        return
    if count < FEWEST:
        yield Finding(
            "few_pictures",
            "warning",
            f"there are only {count} image(s)",
            "what they have in common by chance is learned as well",
            f"add images: {FEWEST} to 30 are usual",
        )
    if inputs.vectors > count:
        yield Finding(
            "many_vectors",
            "warning",
            f"{inputs.vectors} vectors for {count} image(s)",
            "with more vectors than images, the vectors memorize the images",
            "add images, or use fewer vectors",
        )
    if inputs.vectors:
        yield Finding(
            "pictures_per_vector",
            "note",
            f"{count} image(s), {inputs.vectors} vector(s): {count / inputs.vectors:.3g} for each",
        )
