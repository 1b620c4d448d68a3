"""Tokens as people read them."""

from __future__ import annotations

import pytest

from ti_core.port.spelling import byte_letters, readable


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("cat</w>", "cat"),
        ("cat", "cat…"),
        ("</w>", ""),
        ("Ã©</w>", "é"),
        ("ðŁĺĤ</w>", "😂"),
        ("Ã", "�…"),
        ("<|endoftext|>", "<|endoftext|>"),
        ("#17", "#17…"),
        ("a b 猫", "a b 猫"),
    ],
)
def test_a_token_reads_as_its_text(spelling: str, text: str) -> None:
    assert readable(spelling) == text


def test_every_byte_has_a_letter_of_its_own() -> None:
    letters = byte_letters()
    assert sorted(letters) == list(range(256))
    assert len(set(letters.values())) == 256
    assert (letters[0], letters[ord("A")], letters[32]) == ("Ā", "A", "Ġ")
