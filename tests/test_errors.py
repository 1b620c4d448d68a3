"""The errors that users see."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from ti_core import errors
from ti_core.errors import TIError

from .errors import TEXTS, error_classes


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


@pytest.mark.parametrize("kind", error_classes())
def test_every_error_can_be_shown_copied_pickled_and_reworded(kind: type[TIError]) -> None:
    """They cross process borders, and hosts show them by means of their own."""
    error = kind(*TEXTS)
    assert repr(error) == f"{kind.__name__}{TEXTS!r}"
    for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is kind
        assert str(other) == str(error) == ": ".join(TEXTS[:2]) + f"; {TEXTS[2]}\n{TEXTS[3]}"
    loud = error.reworded(str.upper)
    assert type(loud) is kind
    assert loud.args == (*map(str.upper, TEXTS[:3]), TEXTS[3])
    assert str(pickle.loads(pickle.dumps(loud))) == str(loud)


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (errors.ExpressionError, (2, 422)),
        (errors.DataError, (1, 422)),
        (errors.StorageError, (1, 507)),
        (errors.HostBusyError, (1, 409)),
        (errors.NoModelError, (1, 503)),
        (errors.UnsupportedModelError, (1, 422)),
        (errors.NotFoundError, (1, 404)),
        (errors.NotFiniteError, (1, 422)),
        (errors.ForbiddenError, (1, 403)),
        (errors.RequestError, (1, 422)),
        (errors.LargeRequestError, (1, 413)),
        (errors.SlowRequestError, (1, 408)),
        (errors.MediaTypeError, (1, 415)),
    ],
)
def test_codes_follow_from_the_class(kind: type[TIError], codes: tuple[int, int]) -> None:
    assert errors.codes_of(kind) == codes


@pytest.mark.parametrize("kind", error_classes())
def test_no_error_is_made_or_shown_in_a_way_of_its_own(kind: type[TIError]) -> None:
    """What needs more than its texts is lost where an error is copied, pickled or reworded."""
    own = {"__init__", "__new__", "__str__", "__repr__", "__reduce__", "reworded"}
    assert kind is TIError or not own & set(vars(kind))
