"""Captions as texts: readable, there, not empty, not all the same, without special signs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..data.templates import fill
from ..errors import setting
from ..port.prompt import Piece, read_emphasis
from .finding import Finding, Severity
from .inputs import CheckupInput
from .survey import Picture, Survey

FEWEST_SAME = 3


def unreadable_captions(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Caption files that are not text."""
    if survey.wordless:
        path, error = survey.wordless[0]
        yield Finding(
            "caption_unreadable",
            "error",
            f"{len(survey.wordless)} caption(s) cannot be read ({path.name}: {error.why})",
            "the training continues without these images",
            "save them as UTF-8 text",
            tuple(path.name for path, _ in survey.wordless),
        )


def marked_captions(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Caption files that begin with a byte order mark, as Windows' editor writes them."""
    names = survey.which(lambda picture: picture.mark)
    if names:
        kinds = " and ".join(sorted({p.mark for p in survey.pictures if p.mark}))
        yield Finding(
            "byte_order_mark",
            "note",
            f"{len(names)} caption(s) begin with a byte order mark of {kinds} ({names[0]})",
            "it is left out here; kohya's scripts read it as a character, and cannot read UTF-16",
            "save them as UTF-8 without a mark for those",
            names,
        )


def empty_captions(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Captions without a word, where captions are used."""
    names = survey.which(lambda p: not p.caption.text)
    if names and survey.uses_captions:
        yield Finding(
            "caption_empty",
            "warning",
            f"{len(names)} caption(s) are empty ({names[0]})",
            "everything in those images is taken for the new word",
            "describe what is not the subject: place, light, clothes",
            names,
        )


def missing_captions(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images without caption file, where others have one and captions are used."""
    names = survey.which(lambda p: not p.caption.from_file)
    if names and len(names) < len(survey.pictures) and survey.uses_captions:
        yield Finding(
            "caption_missing",
            "hint",
            f"{len(names)} image(s) have no caption file, the others have one ({names[0]})",
            "their file names are taken for captions",
            "write captions for them too",
            names,
        )


def identical_captions(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """One text under most of the images."""
    texts = Counter(p.caption.text.casefold() for p in survey.pictures)
    text, count = max(texts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    often = count >= FEWEST_SAME and count * 2 > len(survey.pictures)
    if often and text and survey.uses_captions:
        yield Finding(
            "caption_identical",
            "hint",
            f"{count} of {len(survey.pictures)} captions are the same",
            "captions help only if they describe what differs from image to image",
            f"describe each image, or do without captions: {setting('use_object_template')}",
            survey.which(lambda p: p.caption.text.casefold() == text),
        )


def brackets(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Brackets, backslashes and BREAK, which web UIs do not take literally."""
    names = survey.which(lambda picture: _is_special(picture, inputs))
    if not names or not survey.uses_captions:
        return
    what = f"{len(names)} caption(s) contain brackets or other emphasis syntax ({names[0]})"
    if inputs.emphasis:
        why, fix = "they change weights while training", "write \\( for a bracket that is meant"
    else:
        why = "here they are learned as characters; web UIs read the same text as emphasis"
        fix = "take them out, backslashes too"
    severity: Severity = "warning" if inputs.emphasis else "hint"
    yield Finding("emphasis", severity, what, why, fix, names)


def _is_special(picture: Picture, inputs: CheckupInput) -> bool:
    """The brackets of `[name]` are none. Where emphasis is read, escaped ones are as they should
    be."""
    text = fill("[filewords]", inputs.name, picture.caption.text)
    pieces = read_emphasis(text)
    weighted = any(piece.weight != 1 or piece.ends_chunk for piece in pieces)
    return weighted if inputs.emphasis else weighted or pieces != [Piece(text)]
