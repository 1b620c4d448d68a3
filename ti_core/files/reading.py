"""Reads embedding files of every program by their content; nothing in them is executed.

`.safetensors`, the pickles of torch (zip and the older kind), and A1111's cards (PNG, WebP, AVIF,
JPEG XL) are told apart by their first bytes; what is in them by `layouts`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ..errors import EmbeddingError, FileError, UnsafeFileError
from ..families import SDXL
from .advice import AGAIN
from .card import read_card
from .embedding import MOST_VECTORS, Embedding
from .layouts import BUNDLE, MOST_NUMBERS, Term, joined, recognised
from .mistaken import START, mistaken, unreadable
from .names import composed, printable, sibling_path
from .notes import TRIGGER, essentials, from_comment, noted_step, texts, translated
from .picture_chunks import JXL_SIGNATURES
from .regular_file import open_regular
from .safetensors_file import safetensors_in
from .torch_pickle import read_torch
from .zip_directory import ZIP_START, read_comment

_MOST_BYTES = 64 * 2**20
"""1024 vectors for SDXL in fp64 are 17 MB. Checkpoints and most LoRA are larger."""
_MOST_TENSORS = 10_000
_MOST_TERMS = 1000
_PICTURES = (b"\x89PNG", b"RIFF", *JXL_SIGNATURES)
_NAMED_IN_ERRORS = 20


def read_embeddings(path: Path) -> list[Embedding]:
    """Every embedding in a file, with every text encoder's table: `vectors` are (k, width) fp32,
    of any width.

    The name of an only one is the file's stem, as in A1111 and ComfyUI; the word that its maker
    used is in the metadata ("modelspec.trigger_phrase"). Several have their words as names. Of
    other programs' notes the steps, the base model and its hash are kept under our names.
    From a LoRA only its bundled embeddings are read. diffusers keeps SDXL in two files: use
    `read_pair`.

    Raises EmbeddingError or UnsafeFileError; never executes anything from the file.
    """
    if not os.path.exists(path):  # unlike the method, it answers for any name
        raise EmbeddingError(f"there is no embedding {path}", "", "check the path")
    content, metadata = _content(path)
    terms = recognised(content, str(path))
    _require_few(path, terms)
    noted = {**(content if isinstance(content, dict) else {}), **metadata}
    alone = len(terms) == 1
    own = {**metadata, **translated(noted)} if alone else essentials(noted)
    step = noted_step(noted, path.stem)
    return [_embedding(path, term, alone, step, own) for term in terms]


def read_embedding(path: Path, term: str | None = None) -> Embedding:
    """The embedding in a file, or in a file of several the one with this word.

    Raises what `read_embeddings` raises, and EmbeddingError, which names the words, when there are
    several and none was chosen, or when there is none with this word.
    """
    found = read_embeddings(path)
    if term is None and len(found) == 1:
        return found[0]
    for embedding in found:
        if term is not None and term in (embedding.name, embedding.metadata.get(TRIGGER)):
            return embedding
    names = ", ".join(repr(each.name[:80]) for each in found[:_NAMED_IN_ERRORS])
    rest = "…" if len(found) > _NAMED_IN_ERRORS else ""
    if term is None:
        why, fix = f"{names}{rest}", "choose one of them"
        raise EmbeddingError(f"{path} contains {len(found)} embeddings", why, fix)
    raise EmbeddingError(f"{path} holds no {term!r}", f"it has {names}{rest}", "choose one of them")


def read_pair(path: Path, other: Path | None = None) -> Embedding:
    """An SDXL embedding from the two files that diffusers' script writes, given in any order; if
    only one is given, the other one is looked for beside it (`sibling`). Its name is the stem of
    `path`.

    Raises what `read_embedding` raises, and EmbeddingError when the second file is missing or the
    two do not belong together: the same width, different words, different numbers of vectors.
    """
    other = other or sibling(path)
    if other is None:
        raise EmbeddingError(f"there is no second half beside {path}", "", "give both files")
    one, two = read_embedding(path), read_embedding(other)
    widths = {rows.shape[1] for half in (one, two) for rows in half.vectors.values()}
    words = {half.metadata.get(TRIGGER, "") for half in (one, two)}
    if len(one.vectors) + len(two.vectors) != 2 or len(widths) != 2 or len(words) != 1:
        wide = " and ".join(map(str, SDXL.widths.values()))
        why = f"an SDXL embedding has the same word in both, {wide} wide"
        raise EmbeddingError(
            f"{path} and {other} are not the two halves of one embedding", why, "give other files"
        )
    term = joined(Term("", {**one.vectors}), Term("", {**two.vectors}))
    if one.count != two.count:
        what = f"{path} and {other} hold different numbers of vectors"
        why, fix = f"{one.count} and {two.count}", "give the two files of one training"
        raise EmbeddingError(what, why, fix)
    notes = {**two.metadata, **one.metadata}
    return _embedding(path, term, True, one.step or two.step, notes)


def sibling(path: Path) -> Path | None:
    """The other half of an SDXL embedding as diffusers' `textual_inversion_sdxl.py` names them:
    "learned_embeds" and "learned_embeds_2", each with "-steps-500" at the end or without."""
    found = sibling_path(path)
    return found if found is not None and found.is_file() else None


# --- containers -------------------------------------------------------------------------------


def _content(path: Path) -> tuple[Any, dict[str, str]]:
    """What is in a file (of a card: A1111's dictionary), and metadata."""
    try:
        with open_regular(path) as file:  # once: another file could have its name a moment later
            start = file.read(START)
            if other := mistaken(start):
                raise EmbeddingError(f"{path} contains no embedding", *other)
            if start.startswith(_PICTURES) or start[4:8] == b"ftyp":
                return _from_card(file, path)
            header = start[8:].lstrip()[:1] == b"{"
            if header or (path.suffix == ".safetensors" and start[:1] not in b"P\x80"):
                return _from_safetensors(file, path)
            return _from_pickle(file, path, start)
    except (UnsafeFileError, EmbeddingError):
        raise
    except FileError as error:
        raise EmbeddingError(error.what, error.why, error.fix or AGAIN) from error
    except OSError as error:  # a disk that fails in the middle
        raise EmbeddingError(f"cannot read {path}", error.strerror or str(error), AGAIN) from error


def _from_card(file: BinaryIO, path: Path) -> tuple[Any, dict[str, str]]:
    content = read_card(file, path)
    return content, texts(content.get("metadata"))


def _from_pickle(file: BinaryIO, path: Path, start: bytes) -> tuple[Any, dict[str, str]]:
    comment = read_comment(file, path) if start.startswith(ZIP_START) else b""
    try:
        return read_torch(file, path), from_comment(comment)
    except UnsafeFileError:
        raise
    except FileError as error:
        if other := unreadable(start):
            raise EmbeddingError(f"{path} contains no embedding", *other) from error
        raise


def _from_safetensors(file: BinaryIO, path: Path) -> tuple[Any, dict[str, str]]:
    """The metadata of a LoRA is not that of what is bundled with it: only its notes are used."""
    tensors, metadata = safetensors_in(file, path, lambda header: _wanted(path, header))
    bundled = any(key.startswith(BUNDLE) for key in tensors)
    return tensors, essentials(metadata) if bundled else metadata


def _wanted(path: Path, header: dict[str, Any]) -> Iterable[str]:
    """Of a LoRA only what is bundled with it."""
    names = [name for name in header if name.startswith(BUNDLE)] or list(header)
    offsets = [header[name]["data_offsets"] for name in names]
    _require_small(path, sum(end - begin for begin, end in offsets), len(names))
    return names


def _require_small(path: Path, size: int, tensors: int = 1) -> None:
    if size > _MOST_BYTES or tensors > _MOST_TENSORS:
        why = f"it has {size / 2**20:,.0f} MB, like a checkpoint or a LoRA"
        raise EmbeddingError(f"{path} contains no embedding", why, "give an embedding file")


def _require_few(path: Path, terms: list[Term]) -> None:
    tables = [rows for term in terms for rows in term.tables.values() if isinstance(rows, Tensor)]
    if len(terms) > _MOST_TERMS or sum(rows.numel() for rows in tables) > MOST_NUMBERS:
        why = f"its {len(terms)} tables are too many or too large, like those of a LoRA"
        raise EmbeddingError(f"{path} contains no embedding", why, "give an embedding file")


# --- tensors ----------------------------------------------------------------------------------


def _embedding(
    path: Path, term: Term, alone: bool, step: int, metadata: Mapping[str, str]
) -> Embedding:
    vectors = {key: _rows(path, key, rows) for key, rows in term.tables.items()}
    notes, word = {printable(k): printable(v) for k, v in metadata.items()}, printable(term.name)
    if word and (not alone or TRIGGER not in notes):
        notes[TRIGGER] = word
    return Embedding(printable(composed(path.stem)) if alone else word, vectors, step, notes)


def _rows(path: Path, key: str, rows: Any) -> Tensor:
    if not isinstance(rows, Tensor) or not rows.is_floating_point() or rows.dim() not in (1, 2):
        raise EmbeddingError(f"{path} contains no embedding", f"{key} is not a table of numbers")
    if rows.dim() == 1:
        rows = rows[None]
    count, width = rows.shape
    if not 0 < count <= MOST_VECTORS or width == 0:
        why = "that is not a usable embedding"
        raise EmbeddingError(f"{path} holds {count} vectors of width {width}", why)
    try:
        order = torch.contiguous_format
        rows = rows.detach().to(torch.float32, copy=True, memory_format=order)
    except NotImplementedError as error:
        why = f"{key} has numbers of the type {rows.dtype}"
        raise EmbeddingError(f"{path} cannot be read", why, "save it as fp32") from error
    if not torch.stack(torch.aminmax(rows)).isfinite().all():
        raise EmbeddingError(f"{path} is damaged", "its vectors are not finite numbers", AGAIN)
    return rows
