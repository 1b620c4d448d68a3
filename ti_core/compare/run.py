"""A whole comparison: sheets, losses and strengths, from one opening of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..events import Listener
from ..port.session import Host, ModelFacts, Precision, Session
from ..tools.vocabulary import median_lengths
from .copies import read_copies
from .evaluation import Questions, losses_of
from .ranking import Rated, rate
from .sheet import Sheets, draw_sheets, tell_misspelled
from .subject import Copy, Subject
from .subjects import EMBEDDINGS


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
    subject: Subject = EMBEDDINGS,
) -> Comparison:
    """Compare copies of what was learned: draw `sheets` into `folder`, rate them by `questions`.

    When it is to stop, what is complete until then is returned. A file that cannot be read is told
    by a notice, and the others are compared. Raises DataError without copies, FileError for copies
    of another family of models, HostError, StorageError.
    """
    facts = host.describe()
    copies = read_copies(paths, facts, on_event, subject)
    if sheets:
        sheets.count(len(copies))
        tell_misspelled(sheets, host, on_event)
    for notice in copies[-1].notices(facts):
        on_event(notice)
    with host.session(precision) as session:
        for copy in copies:
            copy.require_fit(facts, session)
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
    words = median_lengths(facts, session)
    return rate(answered, losses, [copy.strength(facts, session, words) for copy in answered])
