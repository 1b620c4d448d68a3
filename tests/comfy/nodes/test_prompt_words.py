"""Was it used? Told by the tokenizers that ComfyUI itself asks."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call
from tests.comfy.nodes.test_applied import BOTH, DISK, MADE, Clip, Tokenizer
from tests.comfy.nodes.test_picking import put


class Spelling(Tokenizer):
    """With the vocabulary's own part: a token for each eight letters of a word."""

    @staticmethod
    def tokenizer(text: str, **_: Any) -> dict[str, list[int]]:
        """As transformers'."""
        parts = [w[i : i + 4] for w in text.replace("-", " - ").split() for i in range(0, 9, 4)]
        return {"input_ids": [zlib.crc32(part.encode()) % 900 for part in parts if part]}


def clip(newer: bool = False, **sizes: int) -> Clip:
    sizes = sizes or {"clip_l": 768}
    return Clip(**{key: Spelling(size, ["x"], newer) for key, size in sizes.items()})


def words(taught: Any, text: str) -> Any:
    return program.nodes("prompt_words").words_of(taught, text)


@BOTH
def test_words_on_the_disk_and_taught_ones_are_found_where_they_stand(newer: bool) -> None:
    taught = program.nodes("applied").with_embedding(clip(newer), MADE, 2.0)
    text = "a embedding:other, a (embedding:my_cat:1.5) on a mat"
    first, second = words(taught, text).found
    assert text[first.start : first.end] == "embedding:other"
    assert text[second.start : second.end] == "embedding:my_cat"
    assert (first.name, dict(first.vectors), first.chunk) == ("other", {"clip_l": 1}, 1)
    assert (dict(second.vectors), second.weight) == ({"clip_l": 2}, 3.0)


@BOTH
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a my-cat", "write embedding:my-cat"),
        ("photo,embedding:my-cat", "write a space before embedding:"),
        ("a Embedding:my-cat", "write embedding: in lower case"),
        ("a embedding:my-cat:1.2", "strength is (embedding:my-cat:1.2)"),
        ("a embedding:my-cta", "did you mean my-cat?"),
        ("a embedding:zebra", "there is no embedding zebra"),
        ("a embedding:other/my-cat", "with the name and folder of its file"),
        ("a torn-dog", "torn-dog.pt is empty"),
        ("a wide-one", "it is for SD 2.x"),
        ("a red house", ""),
    ],
)
def test_what_looks_meant_is_told(
    newer: bool, text: str, told: str, comfy: dict[str, Path]
) -> None:
    put(comfy["embeddings"], "my-cat")
    put(comfy["embeddings"], "wide-one", 1024)
    (comfy["embeddings"] / "torn-dog.pt").write_bytes(b"")
    found = words(clip(newer), text)
    assert found.found == ()
    assert told in "\n".join(str(one.notice) for one in found.missed)
    assert bool(found.missed) == bool(told)


@BOTH
def test_an_encoder_that_leaves_the_rows_out_is_named(
    newer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ComfyUI gives the first table to an encoder that has none of its own, and drops its rows."""
    monkeypatch.setitem(DISK, "half", torch.ones(2, 768))
    found = words(clip(newer, clip_l=768, clip_g=1280), "a embedding:half")
    assert [dict(one.vectors) for one in found.found] == [{"clip_l": 2}]
    (missed,) = found.missed
    assert "left out for clip_g" in missed.what
    assert "clip_g takes 1280 numbers a vector, the file has 768" in missed.why
    alone = words(clip(newer, clip_g=1280), "a embedding:half")
    assert alone.found == ()
    assert "left out for clip_g" in alone.missed[0].what


def test_the_clip_is_left_as_it_was() -> None:
    given = clip()
    (part,) = vars(given.tokenizer).values()
    before = dict(vars(part))
    words(given, "a embedding:other")
    assert vars(part) == before


def test_the_node_that_inspects_checks_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = program.nodes("nodes.looking")
    monkeypatch.setattr(looking, "host_of", lambda *_: pytest.fail("no model is needed"))
    inputs = {"embedding": MADE, "clip": clip(), "text": "a [name] and my_cta"}
    (report, _) = call("InspectEmbedding", **inputs).args
    assert "my_cat is used: characters 3 to 18, chunk 1, vectors for clip_l 2" in report
    assert "did you mean my_cat?" in report
    with pytest.raises(Exception, match="no CLIP is connected"):
        call("InspectEmbedding", embedding=MADE, text="a [name]")
