"""Packed weights over every host: the same results but for rounding, and no trace of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.errors import HostMemoryError
from ti_core.port.session import Host, Session

from .fingerprint import differences, fingerprint
from .hosts import Subject
from .test_host_contract import NAME, latents, some_rows, use_all

_EVERY_LAYER = {"large": 1, "few": 1 << 30, "part_of_memory": 1.0}
"""Of `Packing`: every layer is packed, however small."""


@contextmanager
def packed(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session in which every layer that can be is computed with packed weights."""
    with host.session() as session:
        kind: Any = type(session)
        monkeypatch.setattr(kind, "packing", replace(kind.packing, **_EVERY_LAYER), raising=False)
        session.pack_weights()
        assert session.packs_weights
        yield session


def module_of(host: Host, name: str) -> Any:
    """One of those beside `packing`, in the package that the host is of."""
    with host.session() as session:
        rule: Any = type(session).packing  # type: ignore[attr-defined]
    return sys.modules[type(rule).__module__.replace(".packing", f".{name}")]


def learned(host: Host, session: Session) -> list[Tensor]:
    """An output, and the gradients of the vectors."""
    rows = some_rows(host, 2)
    conditioning = session.encode_prompts([f"a {NAME} here"], {NAME: rows})
    output = session.predict(latents(host), torch.tensor([50]), conditioning)
    output.square().mean().backward()
    return [output.detach(), *(v.grad for v in rows.values() if v.grad is not None)]


def test_they_give_the_same_results_but_for_rounding(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subject.host.session() as session:
        assert not session.packs_weights, "only on request"
        plain = learned(subject.host, session)
    made: list[str] = []
    for module, name in (("onednn", "_linear_layout"), ("frozen_convolution", "_layout")):
        layouts = module_of(subject.host, module)
        found_in: Any = getattr(layouts, name)

        def make(*args: Any, name: str = name, real: Any = found_in) -> Any:
            made.append(name)
            return real(*args)

        monkeypatch.setattr(layouts, name, make)
    with packed(subject.host, monkeypatch) as session:
        found = learned(subject.host, session)
        count = len(made)
        again = learned(subject.host, session)
    assert count > 0, "nothing was packed"
    assert len(made) == count, "packed more than once"
    assert all(map(torch.equal, found, again))
    for one, other in zip(plain, found, strict=True):
        assert (one - other).norm() <= 1e-5 * one.norm()


def test_blocks_that_are_computed_anew_are_packed_as_well(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with packed(subject.host, monkeypatch) as session:
        kept = learned(subject.host, session)
        session.save_memory("checkpointing")
        anew = learned(subject.host, session)
    assert all(map(torch.equal, kept, anew))


@pytest.mark.usefixtures("odd_flags")
def test_they_leave_no_trace(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(subject.modules(), subject.keeps_objects)
    with packed(subject.host, monkeypatch) as session:
        use_all(subject.host, session)
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}


@pytest.mark.usefixtures("odd_flags")
def test_an_error_in_the_middle_of_packing_leaves_no_trace_and_the_session_goes_on(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts, calls = module_of(subject.host, "onednn"), []
    real = layouts._linear_layout

    def full(weight: Tensor) -> Tensor:
        calls.append(0)
        if len(calls) == 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        found: Tensor = real(weight)
        return found

    monkeypatch.setattr(layouts, "_linear_layout", full)
    before = fingerprint(subject.modules(), subject.keeps_objects)
    with packed(subject.host, monkeypatch) as session:
        with pytest.raises(type(HostMemoryError(""))):
            learned(subject.host, session)
        learned(subject.host, session)
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}
