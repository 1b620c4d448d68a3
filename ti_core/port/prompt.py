"""The language of prompts: emphasis, trigger words and chunks, as AUTOMATIC1111 reads them.

Three steps, each usable alone:

    read_emphasis("a (red:1.2) cat")        text → spans with a weight
    find_triggers("a MyCat sits", ["mycat"]) text → pieces; some pieces stand for an embedding
    pack(pieces, tokenize, vectors)          pieces → chunks of at most 75 slots

Nothing here knows a tokenizer, a tensor or a host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from unicodedata import category, normalize

from ..errors import EmbeddingError

TOKENS_PER_CHUNK = 75
"""Room in one pass of a CLIP encoder of 77 positions, without start and end mark."""

COMMA_BACKTRACK = 20
"""A chunk may be closed up to this many tokens early to end it at a comma."""

ROUND_FACTOR = 1.1
SQUARE_FACTOR = 1 / 1.1

Tokenize = Callable[[str], Sequence[int]]
"""Text → token ids, without start and end marks."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a prompt that is handled alike."""

    text: str
    weight: float = 1.0
    trigger: str | None = None
    """The key of the embedding that this text stands for."""
    ends_chunk: bool = False
    """This was the keyword BREAK; `text` is empty."""
    origin: tuple[int, ...] = field(default=(), compare=False, repr=False)
    """Where each character of `text` is in the prompt; empty where accents were composed."""


@dataclass(frozen=True)
class Slot:
    """One position of a chunk: a token of the vocabulary, or one vector of an embedding."""

    token: int
    """Id in the vocabulary; 0 where a vector takes the place."""
    weight: float = 1.0
    trigger: str | None = None
    row: int = 0
    """Which vector of the embedding `trigger` lies here."""


Chunk = tuple[Slot, ...]


def read_prompt(text: str, triggers: Iterable[str], emphasis: bool) -> list[Piece]:
    """Cut a prompt into pieces; without `emphasis` every character is taken literally."""
    spans = read_emphasis(text) if emphasis else [_literal(text)]
    pattern = _trigger_pattern(triggers)
    return [piece for span in spans for piece in _cut(span, pattern)]


# --- emphasis ---------------------------------------------------------------------------------

_EMPHASIS = re.compile(
    r"""
      \\(?P<escaped>[\\()\[\]])                      # \( is a bracket, not emphasis
    | (?P<lone>\\)                                   # a backslash before anything else is dropped
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)  # :1.2) closes with a weight
    | (?P<close>[)\]])
    | (?P<text>[^\\()\[\]:]+|:)
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


def read_emphasis(text: str) -> list[Piece]:
    """Spans of a prompt with their weights; brackets and escapes are gone from the text.

    `(x)` multiplies by 1.1, `[x]` divides by 1.1, `(x:1.3)` multiplies by 1.3; they nest.
    Brackets that no one closes reach to the end, closing ones that no one opened are text.
    Neighbours of equal weight are joined; BREAK becomes a piece of its own.
    """
    reader = _EmphasisReader()
    for match in _EMPHASIS.finditer(text):
        reader.take(match)
    return _join_equal(reader.finish())


class _EmphasisReader:
    """Pieces read so far, and where the brackets that are still open began."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.opened: dict[str, list[int]] = {"(": [], "[": []}

    def take(self, match: re.Match[str]) -> None:
        token = match.group()
        if match["open"]:
            self.opened[token].append(len(self.pieces))
        elif match["weight"] and self.opened["("]:
            self._close("(", float(match["weight"]))
        elif token == ")" and self.opened["("]:
            self._close("(", ROUND_FACTOR)
        elif token == "]" and self.opened["["]:
            self._close("[", SQUARE_FACTOR)
        elif match["escaped"]:
            self.pieces.append(_literal(match["escaped"], match.start("escaped")))
        elif not match["lone"]:
            self.pieces.extend(_split_at_break(token, match.start()))

    def finish(self) -> list[Piece]:
        """Close what was left open."""
        while self.opened["("]:
            self._close("(", ROUND_FACTOR)
        while self.opened["["]:
            self._close("[", SQUARE_FACTOR)
        return self.pieces

    def _close(self, bracket: str, factor: float) -> None:
        for i in range(self.opened[bracket].pop(), len(self.pieces)):
            self.pieces[i] = replace(self.pieces[i], weight=self.pieces[i].weight * factor)


def _literal(text: str, start: int = 0) -> Piece:
    """Text that begins at this place of the prompt."""
    return Piece(text, origin=tuple(range(start, start + len(text))))


def _split_at_break(text: str, start: int) -> Iterator[Piece]:
    end = 0
    for found in (*_BREAK.finditer(text), None):
        part = text[end : found.start() if found else None]
        if part:
            yield _literal(part, start + end)
        if found:
            yield Piece("", ends_chunk=True)
            end = found.end()


def _join_equal(pieces: Iterable[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and not last.ends_chunk and not piece.ends_chunk and last.weight == piece.weight:
            origin = last.origin + piece.origin
            joined[-1] = replace(last, text=last.text + piece.text, origin=origin)
        else:
            joined.append(piece)
    return joined or [Piece("")]


# --- trigger words ----------------------------------------------------------------------------


def find_triggers(text: str, triggers: Iterable[str]) -> list[Piece]:
    """Cut a text at trigger words; their pieces carry the trigger as it is spelled in `triggers`.

    Case does not matter, nor whether letters are composed (NFC), as in CLIP's tokenizer; texts of
    pieces are composed. A trigger is found only whole: a letter, digit, underscore or hyphen
    right before or after it makes it part of another word (`mychar4` is not in `mychar42`, nor
    `style` in `my-style`). Where several triggers begin at one place the longest wins.
    """
    return list(_cut(_literal(text), _trigger_pattern(triggers)))


def _trigger_pattern(triggers: Iterable[str]) -> tuple[re.Pattern[str] | None, list[str]]:
    longest_first = sorted({t for t in triggers if t}, key=lambda t: (-len(t), t))
    if not longest_first:
        return None, []
    choice = "|".join(f"({re.escape(normalize('NFC', trigger))})" for trigger in longest_first)
    return re.compile(rf"(?<![\w-])(?:{choice})(?![\w-])", re.IGNORECASE), longest_first


def _cut(piece: Piece, pattern: tuple[re.Pattern[str] | None, list[str]]) -> Iterator[Piece]:
    expression, triggers = pattern
    piece, end = _composed(piece), 0
    for match in expression.finditer(piece.text) if expression and not piece.ends_chunk else ():
        if _goes_on(piece.text, match.end()):
            continue
        if match.start() > end:
            yield _part(piece, end, match.start())
        assert match.lastindex is not None
        found = _part(piece, match.start(), match.end())
        yield replace(found, trigger=triggers[match.lastindex - 1])
        end = match.end()
    if end < len(piece.text) or not piece.text:
        yield _part(piece, end, len(piece.text))


def _composed(piece: Piece) -> Piece:
    text = normalize("NFC", piece.text)
    return piece if text == piece.text else replace(piece, text=text, origin=())


def _part(piece: Piece, start: int, end: int) -> Piece:
    return replace(piece, text=piece.text[start:end], origin=piece.origin[start:end])


def _goes_on(text: str, end: int) -> bool:
    """Whether the word continues with a mark: an Indic vowel, an accent that does not compose."""
    return end < len(text) and category(text[end])[0] == "M"


# --- chunks -----------------------------------------------------------------------------------


def pack(
    pieces: Iterable[Piece],
    tokenize: Tokenize,
    vectors: Mapping[str, int],
    capacity: int = TOKENS_PER_CHUNK,
) -> list[Chunk]:
    """Lay out pieces in chunks of at most `capacity` slots; there is always at least one chunk.

    `vectors` says how many rows each trigger's embedding has. An embedding is never split over
    a chunk border; a text that overflows is cut after a comma if one is among the last 20 tokens.

    Raises:
        EmbeddingError: an embedding has more vectors than a chunk has room.
    """
    packer = _Packer(capacity, list(tokenize(",")))
    for piece in pieces:
        if piece.ends_chunk:
            packer.close_chunk()
        elif piece.trigger is not None:
            packer.add_embedding(piece, vectors[piece.trigger])
        else:
            for token in tokenize(piece.text):
                packer.add_token(Slot(token, piece.weight))
    return packer.finish()


class _Packer:
    def __init__(self, capacity: int, comma: list[int]) -> None:
        self.capacity = capacity
        self.comma = comma[0] if len(comma) == 1 else None
        self.chunks: list[Chunk] = []
        self.slots: list[Slot] = []
        self.after_comma: int | None = None
        """Position after the last comma of the open chunk."""

    def add_token(self, slot: Slot) -> None:
        is_comma = slot.token == self.comma
        if len(self.slots) == self.capacity:
            self._overflow(may_backtrack=not is_comma)
        self.slots.append(slot)
        if is_comma:
            self.after_comma = len(self.slots)

    def add_embedding(self, piece: Piece, count: int) -> None:
        if count > self.capacity:
            raise EmbeddingError(
                f"the embedding '{piece.trigger}' cannot be used in a prompt",
                f"it has {count} vectors and must fit into one chunk of {self.capacity} tokens",
                f"use at most {self.capacity} vectors",
            )
        if len(self.slots) + count > self.capacity:
            self.close_chunk()
        self.slots += [Slot(0, piece.weight, piece.trigger, row) for row in range(count)]

    def close_chunk(self) -> None:
        self.chunks.append(tuple(self.slots))
        self.slots = []
        self.after_comma = None

    def finish(self) -> list[Chunk]:
        if self.slots or not self.chunks:
            self.close_chunk()
        return self.chunks

    def _overflow(self, may_backtrack: bool) -> None:
        cut = self.after_comma
        # Counted as the original does: from the comma itself, so one token more than moves on.
        near = cut is not None and len(self.slots) - (cut - 1) <= COMMA_BACKTRACK
        if cut is None or not near or not may_backtrack:
            self.close_chunk()
            return
        moved = self.slots[cut:]
        del self.slots[cut:]
        self.close_chunk()
        self.slots = moved
