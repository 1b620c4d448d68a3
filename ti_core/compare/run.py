"""A whole comparison: sheets, losses and strengths, from one opening of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..events import Listener
from ..files.base_model import other_base
from ..port.session import Host, ModelFacts, Precision, Session
from ..tools.strength import strength_of
from ..tools.vocabulary import median_lengths
from .copies import Copy, read_copies
from .evaluation import Questions, losses_of
from .ranking import Rated, rate
from .sheet import Sheets, draw_sheets, tell_misspelled


@dataclass(frozen=True)
class Comparison:
    """What was found out; nothing for what was not asked."""

    sheets: tuple[Path, ...] = ()
    ratings: tuple[Rated, ...] = ()
    """By their steps."""


def compare(
    paths: Sequence[Path],
    host: Host,
    folder: Path,
    sheets: Sheets | None = None,
    questions: Questions | None = None,
    on_event: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    precision: Precision = "no",
) -> Comparison:
    """Compare copies of an embedding: draw `sheets` into `folder`, rate them by `questions`.

    When it is to stop, what is complete until then is returned. A file that cannot be read is told
    by a notice, and the others are compared. Raises DataError without copies,
    EmbeddingError for copies of another family of models, HostError, StorageError.
    """
    facts = host.describe()
    copies = read_copies(paths, facts, on_event)
    if sheets:
        sheets.count(len(copies))
        tell_misspelled(sheets, host, on_event)
    for notice in other_base(copies[-1].embedding, facts):
        on_event(notice)
    with host.session(precision) as session:
        ratings: list[Rated] = []
        if questions:
            ratings = _rate(copies, questions, session, facts, on_event, should_stop)
        drawn: list[Path] = []
        if sheets and not should_stop():
            drawn = draw_sheets(sheets, copies, session, facts, folder, on_event, should_stop)
    return Comparison(tuple(drawn), tuple(ratings))


def _rate(
    copies: Sequence[Copy],
    questions: Questions,
    session: Session,
    facts: ModelFacts,
    on_event: Listener,
    should_stop: Callable[[], bool],
) -> list[Rated]:
    losses = losses_of(copies, questions, session, facts, on_event, should_stop)
    answered = copies[: len(losses)]
    if not answered:
        return []
    medians = median_lengths(facts, session)
    return rate(answered, losses, [strength_of(copy.vectors, medians) for copy in answered])
