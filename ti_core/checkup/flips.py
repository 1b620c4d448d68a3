"""Mirrored copies of what is not the same on both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .duplicates import MOST_BITS
from .finding import Finding
from .inputs import CheckupInput
from .measures import alike, difference_hashes, leaning, near
from .survey import Survey

LEANING = 0.5
"""About 1/n by chance, 1 when all images lean to the same side alike."""
FEWEST = 4
_ONE_SIDED = re.compile(
    r"\b(text|letters?|lettering|words?|logo|writing|written|inscription|sign|label|number|"
    r"tattoo\w*|scar|mole|freckle|birthmark|parting|eyepatch|earring|watch|badge|clock|"
    r"left|right)\b",
    re.IGNORECASE,
)


def flips(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Speaks only when copies are planned, or when there are some in the folder already."""
    copies = _mirrored(survey)
    if not inputs.mirrored and not copies:
        return
    reasons = list(_reasons(survey, copies))
    if reasons:
        yield Finding(
            "flips",
            "warning",
            f"mirrored copies of images whose two sides differ: {'; '.join(reasons)}",
            "the word learns both sides at once; letters, hair partings and tattoos come out wrong",
            "turn off mirroring, and remove mirrored copies from the folder",
            survey.names(copies),
        )


def _reasons(survey: Survey, copies: list[int]) -> Iterator[str]:
    texts = (picture.caption.text for picture in survey.pictures)
    found = sorted({word.lower() for text in texts for word in _ONE_SIDED.findall(text)})
    if found:
        yield f"captions say {', '.join(map(repr, found[:4]))}"
    originals = [i for i in range(len(survey.pictures)) if i not in copies]
    lean = leaning(survey.small[originals]) if len(originals) >= FEWEST else 0.0
    if lean >= LEANING:
        yield f"all lean to one side ({lean:.2f} of 1)"


def _mirrored(survey: Survey) -> list[int]:
    """Images that are the mirror image of one before them, and not the same image."""
    small, mirror = survey.small, survey.small[:, :, ::-1]
    found = []
    for i, others in alike(difference_hashes(small), difference_hashes(mirror), MOST_BITS):
        before = others[others < i]
        if (near(small[i], mirror[before]) & ~near(small[i], small[before])).any():
            found.append(i)
    return found
