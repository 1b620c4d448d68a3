"""Lengths of vectors are kept as the settings want them, in the run and in its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.families import FAMILIES
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.lengths import LengthRule, length_rule
from ti_core.train.loop import train

from ..conftest import Configure
from .test_resume import in_one_go, stopped

FAST: dict[str, Any] = {"learning_rate": "0.5", "num_vectors_per_token": 2}


def lengths_in(path: Path) -> list[float]:
    found = read_embedding(path).vectors
    return [length for key in sorted(found) for length in found[key].norm(dim=-1).tolist()]


def usual(mode: str, host: FakeHost) -> dict[str, float]:
    with host.session() as session:
        tables = {
            encoder.key: session.token_embeddings_at(range(encoder.vocabulary))[encoder.key]
            for encoder in host.describe().encoders
        }
    reduce = torch.mean if mode == "mean" else torch.median
    return {key: float(reduce(rows.norm(dim=-1))) for key, rows in tables.items()}


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("mode", ["mean", "median"])
@pytest.mark.parametrize("steps", [1, 10])
def test_held_lengths(configure: Configure, family: str, mode: str, steps: int) -> None:
    host = FakeHost(family=FAMILIES[family])
    config = configure(vector_length=mode, max_train_steps=steps, **FAST)
    wanted = usual(mode, host)
    each = [wanted[key] for key in sorted(wanted) for _ in range(2)]
    assert lengths_in(train(config, host)) == pytest.approx(each, rel=1e-5)


def test_pulled_lengths_lie_between(configure: Configure) -> None:
    def length(mode: str) -> float:
        config = configure(vector_length=mode, overwrite=True, **FAST)
        return lengths_in(train(config, FakeHost()))[0]

    (mean,) = usual("mean", FakeHost()).values()
    assert mean < length("pull") < length("free")


def test_a_pull_is_a_tenth_of_the_way() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    LengthRule("pull", {"a": 10.0}).apply({"a": rows})
    assert rows.norm(dim=-1).tolist() == pytest.approx([5 * 2**0.1, 0])


def test_free_looks_at_no_vocabulary() -> None:
    host = FakeHost()
    with host.session() as session:
        session.token_embeddings_at = None  # type: ignore[assignment,method-assign]
        rule = length_rule("free", host.describe(), session)
    rows = torch.ones(2, 2)
    rule.apply({"a": rows})
    assert rows.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("mode", ["pull", "mean", "median"])
@pytest.mark.parametrize("optimizer", ["AdamW", "DTI"])
def test_a_resumed_run_gives_the_same_bytes(
    configure: Configure, mode: str, optimizer: str
) -> None:
    changes = {"vector_length": mode, "optimizer_type": optimizer, **FAST}
    folder = stopped(configure(**changes), 4)
    resumed = train(configure(**changes), FakeHost(), resume=folder).read_bytes()
    assert resumed == in_one_go(configure, **changes)
