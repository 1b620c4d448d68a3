"""The 75 places of a prompt."""

from __future__ import annotations

from collections.abc import Iterator

from ..data.templates import fill
from ..errors import setting
from ..port.prompt import find_triggers
from .finding import Finding, unchecked
from .inputs import CheckupInput
from .survey import Survey


def token_allowance(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Prompts that do not fit into one chunk of 75 tokens, the new word's vectors included."""
    if inputs.tokenize is None:
        yield unchecked(
            "tokens",
            "lengths of captions in tokens, and whether the new word is in the vocabulary",
            f"give {setting('pretrained_model_name_or_path')}",
        )
        return
    lengths = prompt_lengths(survey, inputs)
    names = survey.names(i for i, length in enumerate(lengths) if length > inputs.capacity)
    if names:
        yield Finding(
            "too_long",
            "warning",
            f"{len(names)} prompt(s) have more than {inputs.capacity} tokens, up to {max(lengths)}",
            "the rest is encoded separately, in another chunk",
            f"shorten captions; {inputs.vectors} vector(s) leave "
            f"{inputs.capacity - inputs.vectors} tokens",
            names,
        )
    elif lengths:
        yield Finding(
            "token_count",
            "note",
            f"the longest prompt has {max(lengths)} of {inputs.capacity} tokens, "
            f"{inputs.vectors} of them for the new word",
        )


def prompt_lengths(survey: Survey, inputs: CheckupInput) -> list[int]:
    """Places that the longest prompt of each image takes.

    The words of a line and of a caption are counted apart: tokens do not reach over spaces.
    """
    mark = "[filewords]"
    shape = {
        line: (_places(line.replace(mark, ""), inputs), line.count(mark)) for line in survey.lines
    }
    lengths = []
    for picture in survey.pictures:
        count = _places(picture.caption.text, inputs)
        shapes = {shape[line] for line in picture.lines}
        lengths.append(max((own + times * count for own, times in shapes), default=0))
    return lengths


def _places(text: str, inputs: CheckupInput) -> int:
    assert inputs.tokenize is not None
    pieces = find_triggers(fill(text, inputs.name, ""), [inputs.name])
    return sum(inputs.vectors if p.trigger else len(inputs.tokenize(p.text)) for p in pieces)
