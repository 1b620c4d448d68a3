"""Numbers of a plan that no one can mean."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import setting
from .finding import Finding, Severity
from .inputs import CheckupInput
from .survey import Survey

REPEATED = "repeats_in_batch"
"""The rule about images that are in one update more than once."""
_HIGH_RATE, _ABSURD_RATE = 0.05, 1.0
"""AdamW moves each number of a vector by about the rate at each step; those of SD's words are
about 0.015 (length 0.4, width 768), and 0.005 is A1111's default."""
_SHORTEST_WAY = 0.001
"""A sum of rates over all steps that changes no word."""
_MOST_ROUNDS = 20_000
"""How often an image is seen; long trainings of A1111's users come to some thousand."""
_MOST_AT_ONCE = 8
"""How often an image is in one update."""
_FARTHEST_SIZE = 2.0
"""Times the side that the model was made for, or a part of it."""


def rate(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Rates that throw every vector out of the space of words, or leave it where it is."""
    if inputs.schedule is None or not inputs.vectors or not inputs.moves_by_rate:
        return
    segments = inputs.schedule.segments
    highest = max(segment.rate for segment in segments)
    way = sum(segment.rate * (segment.until - segment.start) for segment in segments)
    if highest > _HIGH_RATE:
        severity: Severity = "error" if highest > _ABSURD_RATE else "warning"
        why = "each step moves the numbers of a vector by about that much; those of words are 0.015"
        what = f"the learning rate is {highest:g}"
        fix = f"set {setting('learning_rate')} to 0.005 or less"
        yield Finding("rate_too_high", severity, what, why, fix)
    elif way < _SHORTEST_WAY:
        what = f"the learning rate is {highest:g} for {inputs.last_step} step(s)"
        why = f"the whole run moves the numbers of a vector by {way:g} at most"
        fix = f"raise {setting('learning_rate')} or {setting('max_train_steps')}"
        yield Finding("rate_too_low", "warning", what, why, fix)


def length(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """How often each image is seen, in the whole run and at once."""
    count = len(survey.pictures) + survey.left_out
    if inputs.schedule is None or not count:
        return
    seen, batch = inputs.last_step * inputs.batch / count, inputs.batch / count
    if seen < 1:
        what = f"{inputs.last_step} step(s) of {inputs.batch} for {count} image(s)"
        fix = f"raise {setting('max_train_steps')}"
        yield Finding("few_steps", "hint", what, "most images are never seen", fix)
    if seen > _MOST_ROUNDS:
        what = f"each image is seen {seen:,.0f} times"
        why = "long before that the word shows nothing but these images"
        yield Finding("many_steps", "warning", what, why, f"lower {setting('max_train_steps')}")
    if batch > _MOST_AT_ONCE:
        what = f"an update takes {inputs.batch} images, and the dataset has {count}"
        why = f"each of them counts {batch:.0f} times, which takes as much longer"
        fix = f"lower {setting('train_batch_size')} or {setting('gradient_accumulation_steps')}"
        yield Finding("large_batch", "warning", what, why, fix)
    elif batch > 1 and len({(p.frame.width, p.frame.height) for p in survey.pictures}) == 1:
        what = f"an update takes {inputs.batch} images, and the dataset has {count}"
        why = "some are in it more than once, each time under other noise; A1111 takes fewer"
        sizes = f"{setting('train_batch_size')} times {setting('gradient_accumulation_steps')}"
        fix = f"for A1111's batches, let {sizes} be {count} at most"
        yield Finding(REPEATED, "hint", what, why, fix)


def family(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """What kind of model it is for: the embedding will work with its family alone."""
    if inputs.family:
        side = inputs.model_side
        what = f"the model is of the family {inputs.family}, made for {side}x{side}"
        yield Finding("family", "note", what, "the embedding works with models of this family only")


def size_of_model(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Training at sizes that the model was not made for."""
    side = inputs.model_side
    if not side:
        return
    ratio = (inputs.size[0] * inputs.size[1]) ** 0.5 / side
    if not 1 / _FARTHEST_SIZE <= ratio <= _FARTHEST_SIZE:
        width, height = inputs.size
        what = f"the training size is {width}x{height}, the model was made for {side}x{side}"
        why = "the model is poor at other sizes, and so is what is learned from it"
        yield Finding("far_size", "warning", what, why, f"train at about {side}x{side}")


def dropout(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Captions that are written and never used."""
    words = inputs.data.tags
    if survey.uses_captions and 1 in (words.caption_dropout_rate, words.caption_tag_dropout_rate):
        why = "no caption is ever in a prompt"
        part = "" if words.caption_dropout_rate == 1 else "_tag"
        fix = f"set {setting(f'caption{part}_dropout_rate')} below 1"
        yield Finding("all_dropped", "warning", "captions are always left out", why, fix)
