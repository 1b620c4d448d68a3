"""Stage 1: a CLIP-style byte-level BPE tokenizer in which every word of the demo is one token."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77


def byte_letters() -> list[str]:
    """One printable letter for each of the 256 bytes, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(len(hidden))]


def learn_merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Merges, most frequent pair first, until every word is a single symbol."""
    split = [(*word[:-1], word[-1] + "</w>") for word in words]
    merges: list[tuple[str, str]] = []
    while pairs := Counter(pair for word in split for pair in pairwise(word)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_merged(word, best) for word in split]
    return merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return tuple(out)


def write_tokenizer(words: tuple[str, ...], folder: Path) -> dict[str, int]:
    """The files `CLIPTokenizer.from_pretrained` reads; returns the vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    letters, merges = byte_letters(), learn_merges(words)
    symbols = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    vocabulary = {symbol: at for at, symbol in enumerate([*dict.fromkeys(symbols), START, END])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *map(" ".join, merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    _write_settings(folder)
    return vocabulary


def _write_settings(folder: Path) -> None:
    names = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "do_lower_case": True,
        "add_prefix_space": False, "errors": "replace", **names,
    }  # fmt: skip
    (folder / "special_tokens_map.json").write_text(json.dumps(names, indent=1))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
