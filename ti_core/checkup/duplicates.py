"""Images that are nearly the same."""

from __future__ import annotations

from collections.abc import Iterator

from .finding import Finding
from .inputs import CheckupInput
from .measures import Values, alike, difference_hashes, near
from .survey import Survey

MOST_BITS = 12
"""Of 64, in which the hashes of near-duplicates differ. Copies of photographs that are scaled,
brightened or trimmed by 5 % differ in 0 to 11; strangers in 20 at least."""


def near_duplicates(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Groups of images that show nearly the same in nearly the same place."""
    for group in groups(survey.small):
        names = survey.names(group)
        yield Finding(
            "near_duplicates",
            "warning",
            f"{len(names)} images are nearly the same ({names[0]}, {names[1]}…)",
            "what is seen more often is learned more strongly, pose and background included",
            "keep one of them",
            names,
        )


def groups(small: Values) -> Iterator[list[int]]:
    """The numbers of an image and of those after it that are nearly the same; each image is in
    one group at most."""
    bits, taken = difference_hashes(small), set[int]()
    for i, others in alike(bits, bits, MOST_BITS):
        if i in taken:
            continue
        later = [j for j in others.tolist() if j > i and j not in taken]
        group = [
            i,
            *(j for j, same in zip(later, near(small[i], small[later]), strict=True) if same),
        ]
        if len(group) > 1:
            taken.update(group)
            yield group
