"""The way of every prompt through the text encoders, with encoders made for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from ti_core.errors import ConfigError
from ti_core.hosts.common.text import (
    EncodedText,
    WordVectors,
    check_ids,
    encode_text,
    encoder_facts,
)
from ti_core.port.session import TextOptions


@dataclass(frozen=True)
class Letters:
    """A state for each letter: its number, `width` times. A chunk has three places."""

    key: str
    width: int
    pools: bool = False
    layers: int = 2
    capacity: int = 3

    @property
    def table(self) -> Tensor:
        """One row for each byte."""
        return torch.arange(256.0)[:, None].expand(-1, self.width)

    def tokenize(self, text: str) -> Sequence[int]:
        """Bytes."""
        return list(text.encode())

    def token_string(self, number: int) -> str:
        """A letter."""
        return chr(number)

    def chunks_of(self, prompt: str, rows: WordVectors, emphasis: bool) -> list[Sequence[int]]:
        """Three letters each."""
        ids = self.tokenize(prompt)
        return [ids[i : i + 3] for i in range(0, len(ids), 3)] or [[]]

    def run(
        self, chunks: Sequence[Sequence[int]], rows: WordVectors, clip_skip: int
    ) -> EncodedText:
        """Zeros fill a chunk."""
        ids = torch.tensor([[*chunk, 0, 0, 0][:3] for chunk in chunks])
        states = self.table[ids]
        return states, states[:, 0] if self.pools else None


def end_to_end(encoded: Sequence[EncodedText]) -> EncodedText:
    """SD3's kind: encoders follow each other along the tokens, the narrower ones are filled up."""
    most = max(states.shape[-1] for states, _ in encoded)
    filled = [
        torch.nn.functional.pad(states, (0, most - states.shape[-1])) for states, _ in encoded
    ]
    return torch.cat(filled, dim=1), encoded[0][1]


ENCODERS = (Letters("a", 1, pools=True), Letters("b", 2))


def test_widths_add_up_and_prompts_are_padded_to_the_longest() -> None:
    context, pooled = encode_text(ENCODERS, ["abcd", "x"], {}, TextOptions())
    a, b, c, d, x = b"abcdx"
    assert context.shape == (2, 6, 3)
    assert context[0, :, 0].tolist() == [a, b, c, d, 0, 0]
    assert context[1, :, 2].tolist() == [x, 0, 0, 0, 0, 0]
    assert pooled is not None
    assert pooled.tolist() == [[a], [x]]


def test_a_family_may_put_its_encoders_together_in_another_way() -> None:
    context, pooled = encode_text(ENCODERS, ["ab"], {}, TextOptions(), end_to_end)
    a, b = b"ab"
    assert context.shape == (1, 6, 2)
    assert context[0, :, 1].tolist() == [0, 0, 0, a, b, 0]
    assert pooled is not None


def test_without_an_encoder_that_pools_there_is_no_pooled_text() -> None:
    assert encode_text(ENCODERS[1:], ["ab"], {}, TextOptions())[1] is None


@pytest.mark.parametrize("clip_skip", [0, 3])
def test_clip_skip_leaves_a_layer(clip_skip: int) -> None:
    with pytest.raises(ConfigError, match="clip_skip"):
        encode_text(ENCODERS, ["a"], {}, TextOptions(clip_skip=clip_skip))


def test_an_encoder_is_described_by_its_table() -> None:
    facts = encoder_facts(ENCODERS[1])
    assert (facts.key, facts.width, facts.vocabulary, facts.tokens_per_chunk) == ("b", 2, 256, 3)
    check_ids(ENCODERS[1], [0, 255])
    with pytest.raises(ConfigError, match="there is no token 256"):
        check_ids(ENCODERS[1], [0, 256])
