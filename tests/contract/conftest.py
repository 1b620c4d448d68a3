"""One host after another; each is opened once, as its sessions must leave no trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fingerprint import Bomb, mixed_flags
from .hosts import HOSTS, Subject, hosts


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
