"""A new word that is not new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..port.prompt import find_triggers
from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey


def hidden_words(name: str, tokenize: Callable[[str], Sequence[object]]) -> list[str]:
    """The words of the model that a trigger hides in prompts: itself, if it is one token, or all of
    a phrase such as "photo of". A hyphen makes a name that no one writes for its words."""
    words = name.split()
    return words if all(len(tokenize(word)) == 1 for word in words) else []


def about_hidden(name: str, words: Sequence[str]) -> tuple[str, str, str]:
    """What, why, and what to do."""
    if len(words) == 1:
        what = f"{name!r} is already a word of the model"
        why = "prompts can no longer use that word in its old meaning"
        return what, why, "choose a name that is not a word, unless you want that"
    what = f"{name!r} is a phrase of words that the model knows: {', '.join(words)}"
    why = "they vanish from every prompt that holds them one after the other"
    return (
        what,
        why,
        f"choose a name that is not used for anything else, such as {'-'.join(words)!r}",
    )


def vocabulary(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """A trigger that the model knows as words; kohya refuses one, A1111 says nothing."""
    if inputs.name and inputs.tokenize and (words := hidden_words(inputs.name, inputs.tokenize)):
        yield Finding("trigger_is_word", "warning", *about_hidden(inputs.name, words))


def other_embeddings(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """A trigger that another embedding has, or that is a part of another's."""
    same = [
        name for name in inputs.taken if name.casefold() == inputs.name.casefold() and inputs.name
    ]
    if same:
        yield Finding(
            "trigger_taken",
            "warning",
            f"there is an embedding called {same[0]!r} already",
            "one of the two will be hidden; letter case makes no difference",
            "choose another name",
        )
    nested = [name for name in inputs.taken if name not in same and _nested(name, inputs.name)]
    if nested:
        yield Finding(
            "trigger_nested",
            "hint",
            f"{inputs.name!r} and the embedding {nested[0]!r} are parts of each other",
            "in prompts the longer one wins where both could be meant",
            "choose a name that shares no whole word with it",
        )


def spaces(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """A trigger with spaces, which ComfyUI cannot name."""
    if " " in inputs.name:
        yield Finding(
            "trigger_spaces",
            "hint",
            f"the name {inputs.name!r} has spaces",
            "ComfyUI's embedding:name ends at the first one",
            f"write {inputs.name.replace(' ', '-')!r}",
        )


def _nested(one: str, other: str) -> bool:
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return bool(shorter) and any(piece.trigger for piece in find_triggers(longer, [shorter]))
