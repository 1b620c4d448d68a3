"""Names are looked up in files, as paths, and in folders; words in a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ti_core.errors import ConfigError, EmbeddingError
from ti_core.families import SDXL
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import Session
from ti_core.tools.sources import Sources
from ti_core.tools.syntax import Name, Text, Token

from .conftest import Save


def first(sources: Sources, name: str) -> float:
    return float(sources.vectors_of(Name(name))["emb_params"][0, 0])


def test_listed_files_come_before_paths_and_folders(save: Save, tmp_path: Path) -> None:
    listed, inside = save("style", 1, folder="a"), save("style", 2, folder="b")
    save("other", 3, folder="b/deep")
    sources = Sources([listed], [tmp_path / "b"])
    assert first(sources, "style") == first(sources, "STYLE") == 1
    assert first(sources, str(inside)) == 2
    assert first(sources, "other") == first(sources, "Other") == 3
    assert [embedding.name for embedding in sources.used] == ["style"] * 3 + ["other"] * 2
    assert sorted(sources.names()) == ["other", "style", "style"]


def test_an_unknown_name_gets_advice(save: Save) -> None:
    for sources, name, advice in (
        (Sources(), "x", "`embeddings_dir`"),
        (Sources([save("y", 1)]), "x", "put words of the model in 'quotes'"),
        (Sources([save("y", 1)]), "y-z", "a difference is written with spaces: a - b"),
    ):
        with pytest.raises(EmbeddingError) as caught:
            sources.vectors_of(Name(name))
        assert f"there is no embedding {name!r}" in str(caught.value)
        assert advice in str(caught.value)


def test_two_listed_files_of_one_name_are_refused(save: Save) -> None:
    with pytest.raises(EmbeddingError, match="two embeddings are called"):
        Sources([save("x", 1, folder="a"), save("X", 2, folder="b")])


def test_words_are_rows_of_the_vocabulary(host: FakeHost, session: Session) -> None:
    sources = Sources(session=session)
    by_text = sources.vectors_of(Text("a cat"))
    assert torch.equal(by_text["emb_params"], session.token_embeddings_of("a cat")["clip_l"])
    (token, _), *_ = host.tokenize("a")
    assert torch.equal(sources.vectors_of(Token(token))["emb_params"], by_text["emb_params"][:1])
    assert len(sources.vectors_of(Text(""))["emb_params"]) == 0
    assert sources.used == []
    with pytest.raises(ConfigError):
        sources.vectors_of(Token(10**6))


def test_sdxl_has_rows_for_both_encoders() -> None:
    host = FakeHost(family=SDXL)
    with host.session() as session:
        rows = Sources(session=session).vectors_of(Text("a cat"))
    assert {key: tuple(value.shape) for key, value in rows.items()} == {
        "clip_l": (2, 12),
        "clip_g": (2, 20),
    }


@pytest.mark.parametrize("leaf", [Text("cat"), Token(5)])
def test_words_need_a_model(leaf: Text | Token) -> None:
    with pytest.raises(ConfigError, match="give `pretrained_model_name_or_path`"):
        Sources().vectors_of(leaf)
