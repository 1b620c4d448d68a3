"""The new word in the prompts: there, and there once."""

from __future__ import annotations

from collections.abc import Iterator

from ..data.tags import holds_trigger
from ..data.templates import fill, names_trigger
from ..errors import setting
from .finding import Finding, unchecked
from .inputs import CheckupInput
from .survey import Survey


def template(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """A template that cannot be read."""
    if survey.template_error:
        error = survey.template_error
        yield Finding("template", "error", error.what, error.why, error.fix)


def trigger(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Every prompt must name the embedding; twice is once too often."""
    if not inputs.vectors:
        return
    if not inputs.name:
        yield unchecked(
            "trigger", "whether the captions hold the new word", f"give {setting('token_string')}"
        )
        return
    bare = {line for line in survey.lines if not _names(line, "", inputs)}
    missing = survey.which(
        lambda p: (
            not all(_names(line, p.caption.text, inputs) for line in bare.intersection(p.lines))
        )
    )
    named = survey.which(lambda p: holds_trigger(p.caption.text, inputs.name))
    others = survey.which(lambda p: not holds_trigger(p.caption.text, inputs.name))
    if missing:
        yield _missing(inputs, missing)
    elif named and survey.uses_captions and not bare:
        yield _doubled(inputs, named, others)


def _names(line: str, caption: str, inputs: CheckupInput) -> bool:
    return names_trigger(fill(line, inputs.name, caption), inputs.name)


def _missing(inputs: CheckupInput, names: tuple[str, ...]) -> Finding:
    return Finding(
        "trigger_missing",
        "error",
        f"the prompts of {len(names)} image(s) do not hold {inputs.name!r} ({names[0]})",
        "they teach nothing, and training rejects them",
        "put [name] into their captions or into the template",
        names,
    )


def _doubled(inputs: CheckupInput, named: tuple[str, ...], others: tuple[str, ...]) -> Finding:
    """With "auto", one caption without the word makes the template say it for all of them."""
    what = f"{len(named)} caption(s) hold {inputs.name!r}, and so does every line of the template"
    if others and inputs.data.prompt_template == "auto":
        why = (
            f"{len(others)} caption(s) lack it ({others[0]}), so captions are not used as they are"
        )
        return Finding("trigger_twice", "warning", what, why, "put [name] into those too", others)
    why = "the prompt says it twice"
    return Finding(
        "trigger_twice", "warning", what, why, f"use {setting('prompt_template')} captions", named
    )
