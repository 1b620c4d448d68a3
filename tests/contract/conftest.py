"""One host after another; each is opened once, as its sessions must leave no trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fingerprint import Bomb, mixed_flags
from .hosts import HOSTS, Subject, hosts, meet


@pytest.hookimpl(tryfirst=True)  # before slow tests are left out
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """`dealt(first, of=count, by=name)`: one of so many usual hosts takes each case of the
    parameter `name`, or the test's only one; for the others the test is slow."""
    for item in items:
        for mark in item.iter_markers("dealt"):
            number = mark.args[0] + item.callspec.indices.get(mark.kwargs.get("by", ""), 0)
            if not meet(str(item.callspec.params["subject"]), number, mark.kwargs["of"]):
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", params=hosts())
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A host under test."""
    return HOSTS[request.param](tmp_path_factory.mktemp("model"))


@pytest.fixture
def bomb(subject: Subject) -> Iterator[Bomb]:
    """Makes calls of the model fail."""
    found = Bomb((subject.computes or subject.modules)())
    yield found
    found.remove()


@pytest.fixture
def odd_flags(subject: Subject) -> Iterator[None]:
    """The model as a careless program would leave it."""
    with mixed_flags(subject.modules()):
        yield
