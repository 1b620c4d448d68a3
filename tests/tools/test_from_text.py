"""A prompt as a merge expression."""

from __future__ import annotations

import pytest
import torch

from ti_core.errors import EmbeddingError
from ti_core.port.session import Session
from ti_core.tools.from_text import tree_of_text
from ti_core.tools.merging import evaluate
from ti_core.tools.sources import Sources
from ti_core.tools.syntax import Join, Name, Text

from .conftest import Save


def test_a_text_is_its_tokens(session: Session) -> None:
    rows = evaluate(tree_of_text("a (red:1.2) cat"), Sources(session=session).vectors_of)
    assert torch.equal(rows["emb_params"], session.token_embeddings_of("a (red:1.2) cat")["clip_l"])


def test_whole_names_stand_for_embeddings(session: Session, save: Save) -> None:
    tree = tree_of_text("a My-Style cat, my-styles", ["my-style"])
    assert tree == Join(Join(Text("a "), Name("my-style")), Text(" cat, my-styles"))
    rows = evaluate(tree, Sources([save("my-style", 5, 6)], session=session).vectors_of)[
        "emb_params"
    ]
    words = session.token_embeddings_of("a cat, my-styles")["clip_l"]
    assert rows[1:3, 0].tolist() == [5, 6]
    assert torch.equal(torch.cat([rows[:1], rows[3:]]), words)


def test_a_name_alone_is_the_embedding() -> None:
    assert tree_of_text("x", ["x"]) == Name("x")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(EmbeddingError, match="no tokens"):
        tree_of_text(text)


def test_more_names_than_a_prompt_has_room_for_are_refused() -> None:
    tree_of_text("x " * 75, ["x"])
    with pytest.raises(EmbeddingError, match="too many embeddings"):
        tree_of_text("x " * 76, ["x"])
