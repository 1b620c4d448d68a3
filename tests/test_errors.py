"""The errors that users see."""

from __future__ import annotations

import inspect
import re

import pytest

from ti_core import errors
from ti_core.errors import TIError


def real_tree() -> dict[str, str]:
    """Class name → name of its parent."""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, TIError)]
    return {c.__name__: c.__bases__[0].__name__ for c in classes if c is not TIError}


def drawn_tree() -> dict[str, str]:
    """The same, from the drawing in the docstring."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = [(-1, "TIError")]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^(?P<lines>[ │]*[├└]── )(?P<name>\w+)", line)
        if match:
            depth = len(match["lines"])
            while path[-1][0] >= depth:
                path.pop()
            parents[match["name"]] = path[-1][1]
            path.append((depth, match["name"]))
    return parents


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    assert drawn_tree() == real_tree()


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("it broke",), "it broke"),
        (("it broke", "too hot"), "it broke: too hot"),
        (("it broke", "too hot", "cool it"), "it broke: too hot; cool it"),
        (("it broke", "", "cool it"), "it broke; cool it"),
    ],
)
def test_an_error_says_what_happened_why_and_what_to_do(parts: tuple[str, ...], text: str) -> None:
    assert str(TIError(*parts)) == text


def test_errors_survive_pickling() -> None:
    """They cross process borders in progress bars and job queues."""
    import pickle

    error = pickle.loads(pickle.dumps(errors.ScheduleError("a", "b", "c")))
    assert (error.what, error.why, error.fix) == ("a", "b", "c")
