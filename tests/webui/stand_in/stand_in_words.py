"""A vocabulary of some words and every byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_WORDS = "tree cat dog a picture of here sitting blue red the and".split()
_BYTES = [f"<{byte:02x}>" for byte in range(256)]
_SPELLINGS = [*(word + "</w>" for word in _WORDS), *_BYTES, "<|startoftext|>", "<|endoftext|>"]
COUNT = len(_SPELLINGS)
START, END = COUNT - 2, COUNT - 1
_IDS = {spelling: number for number, spelling in enumerate(_SPELLINGS)}


def encode(text: str) -> list[int]:
    """Known words whole, everything else byte by byte; blanks only divide."""
    found: list[int] = []
    for part in re.findall(r"\w+|[^\w\s]", text.lower()):
        whole = _IDS.get(part + "</w>")
        found += [whole] if whole is not None else [_IDS[f"<{byte:02x}>"] for byte in part.encode()]
    return found


class Tokenizer:
    """transformers' CLIPTokenizer, as far as the web UIs use it."""

    bos_token_id, eos_token_id = START, END

    def __init__(self, pad: int = END) -> None:
        self.pad_token_id = pad

    def __call__(self, texts: Sequence[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [encode(text) for text in texts]}

    def convert_ids_to_tokens(self, number: int) -> str:
        """How a token is spelled."""
        return _SPELLINGS[number]


decoder = dict(enumerate(_SPELLINGS))
