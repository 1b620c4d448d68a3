"""The tools on the bundled model, which has a real tokenizer and trained vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch

from ti_core.tools.expression import parse
from ti_core.tools.merging import evaluate
from ti_core.tools.nearest import nearest_tokens
from ti_core.tools.sources import Sources
from ti_core.tools.strength import Strength, strength_of
from ti_core.tools.vocabulary import median_lengths

if TYPE_CHECKING:
    from ti_core.port.session import Host, Session


@pytest.fixture(scope="module")
def host() -> Host:
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    from ti_core.cli.standalone import ModelConfig, open_host

    return open_host(ModelConfig("demo", device="cpu"))


@pytest.fixture
def session(host: Host) -> Iterator[Session]:
    with host.session() as opened:
        yield opened


@pytest.mark.parametrize("word", ["red", "circle", "square", "a"])
def test_the_embedding_of_a_word_is_normal_and_nearest_to_that_word(
    host: Host, session: Session, word: str
) -> None:
    rows = evaluate(parse(f"'{word}'"), Sources(session=session).vectors_of)
    vectors = {"clip_l": rows["emb_params"]}
    best, second = nearest_tokens(vectors, host, session, 2)["clip_l"][0]
    assert best.text == word
    assert best.cosine == pytest.approx(1, abs=1e-6)
    assert second.cosine < 0.9
    assert measured(host, session, vectors).verdict == "normal"


@pytest.mark.parametrize(("factor", "word"), [(0.1, "weak"), (3, "strong"), (20, "overtrained")])
def test_shorter_and_longer_vectors_get_their_verdicts(
    host: Host, session: Session, factor: float, word: str
) -> None:
    rows = evaluate(parse(f"'circle' * {factor}"), Sources(session=session).vectors_of)
    assert measured(host, session, {"clip_l": rows["emb_params"]}).verdict == word


def test_a_mix_of_words_is_near_to_its_parts(host: Host, session: Session) -> None:
    rows = evaluate(parse("'red' + 'circle'"), Sources(session=session).vectors_of)
    near = nearest_tokens({"clip_l": rows["emb_params"]}, host, session, 2)["clip_l"][0]
    assert {each.text for each in near} == {"red", "circle"}


def test_tokens_can_be_given_by_number(host: Host, session: Session) -> None:
    """The end mark is the last number of CLIP's vocabularies."""
    last = host.describe().encoders[0].vocabulary - 1
    rows = evaluate(parse(f"'', {last}"), Sources(session=session).vectors_of)
    near = nearest_tokens({"clip_l": rows["emb_params"]}, host, session, 1)["clip_l"][0]
    assert near[0].text == "<|endoftext|>"


def measured(host: Host, session: Session, vectors: dict[str, torch.Tensor]) -> Strength:
    return strength_of(vectors, median_lengths(host.describe(), session))
