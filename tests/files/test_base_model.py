"""An embedding beside a model that it was not made on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ti_core.files.base_model import other_base
from ti_core.files.embedding import Embedding
from ti_core.hosts.fake import FakeHost

HASH = "cc6cb27103417325ff94f52b7a5d2dde45a7515b25c255d8e396c90014281516"


def told(name: str, digest: str, model: str, model_digest: str) -> list[str]:
    notes = {"ti.base_model": name, "ti.base_model_hash": digest}
    embedding = Embedding("zz", {"clip_l": torch.zeros(1, 12)}, metadata=notes)
    facts = replace(FakeHost().describe(), checkpoint_name=model, checkpoint_hash=model_digest)
    return [str(notice) for notice in other_base(embedding, facts)]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("v1-5", HASH[:10]), ("renamed", HASH[:10])),  # hashes decide
        (("v1-5", HASH), ("renamed", HASH[:10].upper())),
        (("v1-5", "81761151"), ("V1-5.ckpt", HASH[:10])),  # an old hash says nothing
        (("sd/v1-5.safetensors", ""), ("v1-5", HASH[:10])),
        (("sd\\v1-5.ckpt", ""), ("v1-5", "")),
        (("", ""), ("v1-5", HASH[:10])),  # a file that does not tell
        (("v1-5", ""), ("", "")),
        (("", "81761151"), ("v1-5", HASH[:10])),
    ],
)
def test_the_same_model_or_an_unknown_one_is_no_cause_to_warn(
    one: tuple[str, str], two: tuple[str, str]
) -> None:
    assert told(*one, *two) == []


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("v1-5", HASH[:10]), ("v1-5", "deadbeef00")),  # the name is the same by chance
        (("v1-5", ""), ("v1-4", "")),
        (("v1-5", "81761151"), ("v1-4", HASH[:10])),
        (("", HASH[:10]), ("v1-4", "deadbeef00")),
    ],
)
def test_another_model_is_warned_of(one: tuple[str, str], two: tuple[str, str]) -> None:
    (warning,) = told(*one, *two)
    assert warning.startswith("zz was made on ")
    assert two[0] in warning
    assert one[1] in warning
