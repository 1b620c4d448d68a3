"""How CLIP's vocabulary spells: a letter for each byte, and `</w>` where a word ends.

The tokenizer works on bytes (GPT-2's scheme, Radford et al. 2019): printable Latin-1 stands for
itself, the other 68 bytes borrow letters from U+0100 on. So 'é' is spelled 'Ã©'.
"""

from __future__ import annotations

from functools import lru_cache

WORD_END = "</w>"


@lru_cache(maxsize=1)
def byte_letters() -> dict[int, str]:
    """Byte → its letter, in the vocabulary's order."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    codes = [*visible, *range(0x100, 0x100 + len(hidden))]
    return {byte: chr(code) for byte, code in zip([*visible, *hidden], codes, strict=True)}


def readable(spelling: str) -> str:
    """A token as people read it: 'cat</w>' is "cat", and 'cat' that continues is "cat…".

    Bytes that are not a whole letter, as in tokens for a part of one, become "�".
    """
    bytes_of = {letter: byte for byte, letter in byte_letters().items()}
    body = spelling.removesuffix(WORD_END)
    goes_on = "" if spelling.endswith(WORD_END) or spelling.startswith("<|") else "…"
    if any(letter not in bytes_of for letter in body):
        return spelling
    return bytes(bytes_of[letter] for letter in body).decode("utf-8", "replace") + goes_on
