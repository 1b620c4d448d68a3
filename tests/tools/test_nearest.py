"""The nearest words of vectors, found piece by piece."""

from __future__ import annotations

import pytest
import torch

from ti_core.families import SDXL
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import Session
from ti_core.tools import vocabulary
from ti_core.tools.nearest import about_words, nearest_tokens

from .conftest import vocabulary_of


@pytest.fixture(params=[4096, 100, 1])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The vocabulary comes in pieces of this many rows."""
    monkeypatch.setattr(vocabulary, "PIECE", request.param)
    return int(request.param)


@pytest.mark.usefixtures("piece")
def test_a_word_is_nearest_to_itself(host: FakeHost, session: Session) -> None:
    found = nearest_tokens(session.token_embeddings_of("a cat"), host, session, 3)
    assert list(found) == ["clip_l"]
    assert [row[0].text for row in found["clip_l"]] == ["a…", "cat…"]
    for row in found["clip_l"]:
        assert len(row) == 3
        assert row[0].cosine == pytest.approx(1, abs=1e-6)
        assert row[0].cosine >= row[1].cosine >= row[2].cosine


@pytest.mark.usefixtures("piece")
def test_the_result_is_that_of_looking_at_all_at_once(host: FakeHost, session: Session) -> None:
    vector = torch.randn(1, 12, generator=torch.Generator().manual_seed(3))
    table = session.token_embeddings_at(range(997))["clip_l"]
    cosines = torch.nn.functional.cosine_similarity(vector, table)
    best = cosines.topk(7)
    found = nearest_tokens({"clip_l": vector}, host, session, 7)["clip_l"][0]
    assert [each.number for each in found] == best.indices.tolist()
    assert [each.cosine for each in found] == pytest.approx(best.values.tolist(), abs=1e-6)


@pytest.mark.usefixtures("piece")
def test_of_equal_tokens_the_lower_number_comes_first(host: FakeHost) -> None:
    weight = vocabulary_of(host, "clip_l")
    with torch.no_grad():
        weight[500:520] = weight[7]
    with host.session() as session:
        found = nearest_tokens(session.token_embeddings_at([7]), host, session, 4)["clip_l"][0]
    assert [each.number for each in found] == [7, 500, 501, 502]


def test_length_does_not_matter_and_opposites_are_far(host: FakeHost, session: Session) -> None:
    rows = session.token_embeddings_of("cat")
    for factor in (1e-6, 1, 1e6):
        (near,) = nearest_tokens({k: v * factor for k, v in rows.items()}, host, session, 1)[
            "clip_l"
        ]
        assert near[0].text == "cat…"
    (far,) = nearest_tokens({k: -v for k, v in rows.items()}, host, session, 997)["clip_l"]
    assert far[-1].text == "cat…"
    assert far[-1].cosine == pytest.approx(-1, abs=1e-6)


def test_zeros_have_no_neighbours(host: FakeHost, session: Session) -> None:
    rows = torch.cat([torch.zeros(1, 12), session.token_embeddings_of("cat")["clip_l"]])
    found = nearest_tokens({"clip_l": rows}, host, session, 2)["clip_l"]
    assert found[0] == []
    assert len(found[1]) == 2


def test_both_encoders_of_sdxl_are_searched() -> None:
    host = FakeHost(family=SDXL)
    with host.session() as session:
        found = nearest_tokens(session.token_embeddings_of("cat"), host, session, 1)
    assert {key: rows[0][0].text for key, rows in found.items()} == {
        "clip_l": "cat…",
        "clip_g": "cat…",
    }


def test_no_more_than_a_piece_is_asked_for(host: FakeHost, session: Session, piece: int) -> None:
    sizes: list[int] = []
    whole = session.token_embeddings_at

    def counted(ids: range) -> dict[str, torch.Tensor]:
        sizes.append(len(ids))
        return whole(ids)

    session.token_embeddings_at = counted  # type: ignore[assignment, method-assign]
    nearest_tokens({"clip_l": torch.ones(1, 12)}, host, session, 2)
    assert max(sizes) <= piece
    assert sum(sizes) == 997


def test_trained_vectors_that_are_words_of_the_model_are_told(
    host: FakeHost, session: Session
) -> None:
    rows = session.token_embeddings_of("a cat")
    rows["clip_l"][0] = torch.randn(12, generator=torch.Generator().manual_seed(3))
    near = nearest_tokens(rows, host, session, 1)
    assert not list(about_words(0, near)), "it has not been trained"
    (notice,) = about_words(5, near)
    assert notice.what.endswith("in the direction of words of the model: clip_l 1 is 'cat…' (1.00)")
