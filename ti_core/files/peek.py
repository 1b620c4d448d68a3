"""What is in an embedding file, without its numbers where its head tells enough."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import EmbeddingError, FileError
from ..families import ENCODER_KEYS, OTHER_KEYS, WORDS
from .embedding import MOST_VECTORS, ONE_ENCODER
from .library_index import Facts
from .library_walk import CARDS
from .notes import TRIGGER, noted_step, translated
from .picture_chunks import other_format
from .picture_plugins import is_known
from .regular_file import open_regular
from .safetensors_directory import read_header, text_metadata
from .safetensors_header import TensorEntry

_PLAIN = frozenset((*ENCODER_KEYS, *OTHER_KEYS)) - frozenset(WORDS)
"""Names of tensors that tell by themselves what a file holds."""
_FLOATS = frozenset(("F64", "F32", "F16", "BF16"))
_MOST_PICTURE_BYTES = 64 * 2**20


def peek(path: Path) -> tuple[Facts, ...]:
    """Every embedding in a file; none in an image that carries none.

    Of a plain `.safetensors` only the header is read, so NaN in it is not noticed here. Everything
    else is read as a whole: of a pickle or a card the numbers are the quicker part.

    Raises EmbeddingError or UnsafeFileError, as reading does.
    """
    found = _from_header(path)
    if found is not None:
        return (found,)
    from .reading import read_embeddings  # loads torch, which takes a second

    try:
        embeddings = read_embeddings(path)
    except EmbeddingError:
        if _is_plain_picture(path) and not _is_unknown_picture(path):
            return ()
        raise
    alone = len(embeddings) == 1
    return tuple(
        _facts(
            "" if alone else each.name,
            {key: (len(rows), rows.shape[1]) for key, rows in each.vectors.items()},
            each.step,
            each.metadata,
        )
        for each in embeddings
    )


def _from_header(path: Path) -> Facts | None:
    """None for everything that needs a closer look, be it good or bad."""
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        header = read_header(path)
    except FileError:
        return None
    metadata = text_metadata(header)
    if not is_plain(set(header)) or not all(map(is_table, header.values())):
        return None
    shapes = {key: (entry["shape"][0], entry["shape"][1]) for key, entry in header.items()}
    step = noted_step(metadata, path.stem)
    return _facts("", shapes, step, {**metadata, **translated(metadata)})


def is_plain(names: set[str]) -> bool:
    """Whether tensors of these names are an embedding as they are.

    Not one table of CLIP's under a name that reading replaces."""
    alone = len(names) == 1 and names <= set(ENCODER_KEYS)
    return names == {ONE_ENCODER} or (bool(names) and names <= _PLAIN and not alone)


def is_table(entry: TensorEntry) -> bool:
    """Whether it is one of vectors, of a sane size."""
    shape = entry["shape"]
    sane = len(shape) == 2 and 0 < shape[0] <= MOST_VECTORS and shape[1] > 0
    return sane and entry["dtype"] in _FLOATS


def _facts(
    term: str, shapes: dict[str, tuple[int, int]], step: int, metadata: Mapping[str, str]
) -> Facts:
    return Facts(term, shapes, step, metadata.get(TRIGGER, ""), metadata.get("ti.base_model", ""))


def _is_unknown_picture(path: Path) -> bool:
    """Whether no one can tell, because Pillow does not know such images here."""
    with open_regular(path) as file:
        name = other_format(file)
    return bool(name) and not is_known(name)


def _is_plain_picture(path: Path) -> bool:
    """Whether an image does not even claim to carry an embedding. A1111's cards say so in a text;
    when that has been stripped and the margins are spoiled, no one can tell any more."""
    if path.suffix[1:].lower() not in CARDS:
        return False
    from .card import KEYWORD

    with open_regular(path) as file:
        return KEYWORD.encode() not in file.read(_MOST_PICTURE_BYTES)
