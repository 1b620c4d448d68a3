"""The embeddings of a prompt as A1111 finds them, and with it all our hosts but ComfyUI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..families import ENCODER_KEYS
from ..files.embedding import ONE_ENCODER
from ..files.library import Library
from ..port.prompt import Piece, pack, read_prompt
from ..port.session import Host, ModelFacts
from .missed import missed
from .words import Found, Known, PromptWords

_CLIP = {ONE_ENCODER, *ENCODER_KEYS}


def words_of(text: str, known: Sequence[Known], host: Host) -> PromptWords:
    """Which words of a prompt are embeddings, and which look as if they were meant to be; `known`
    are all that may be.

    Raises EmbeddingError for one that has more vectors than a prompt has room for.
    """
    facts = host.describe()
    fitting = {one.name: one.vectors for one in known if fits(one, facts)}
    pieces = read_prompt(text, fitting, emphasis=True)
    found = tuple(_found(pieces, fitting, facts, host))
    spans = [(one.start, one.end) for one in found if one.end > 0]
    widths = tuple(facts.widths.values())
    return PromptWords(found, tuple(missed(text, spans, known, host.tokenize, widths)))


def known_of(library: Library) -> list[Known]:
    """What a prompt may mean of a library: embeddings, and files that were skipped."""
    known = [Known(entry.name, entry.tables, entry.vectors) for entry in library.entries]
    return known + [Known(one.path.stem, trouble=one.reason) for one in library.skipped]


def fits(one: Known, facts: ModelFacts) -> bool:
    """Whether an embedding is for this kind of model."""
    same = sorted(one.tables.values()) == sorted(facts.widths.values())
    return same and not one.trouble and set(one.tables) <= _CLIP


def _found(
    pieces: Sequence[Piece], fitting: Mapping[str, int], facts: ModelFacts, host: Host
) -> Iterator[Found]:
    chunks = pack(
        pieces,
        lambda part: [number for number, _ in host.tokenize(part)],
        fitting,
        min(encoder.tokens_per_chunk for encoder in facts.encoders),
    )
    first = [n for n, chunk in enumerate(chunks, 1) for s in chunk if s.trigger and not s.row]
    named = [piece for piece in pieces if piece.trigger]
    for chunk, piece in zip(first, named, strict=True):
        assert piece.trigger is not None
        at = (piece.origin[0], piece.origin[-1] + 1) if piece.origin else (-1, -1)
        counts = dict.fromkeys(facts.widths, fitting[piece.trigger])
        yield Found(piece.trigger, *at, chunk, counts, piece.weight)
