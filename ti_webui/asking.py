"""Questions to the model that are answered in seconds, while the page waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ti_core.errors import HostError
from ti_core.files.embedding import Embedding
from ti_core.port.session import Host, ModelFacts, Session
from ti_core.tools.rescaling import factors_for
from ti_core.tools.vocabulary import median_lengths

from .job import Job
from .studio import Studio

T = TypeVar("T")


def ask(studio: Studio, name: str, question: Callable[[Host, Session], T]) -> T:
    """The answer to a question, found where other jobs work, so that it disturbs no image.

    Raises HostBusyError while a job is running, and whatever the question raises.
    """
    answers: list[T] = []

    def work(job: Job) -> Path | None:
        host = studio.host()
        with host.session() as session:
            answers.append(question(host, session))
        return None

    job = studio.start("other", name, work)
    job.wait()
    if job.failure:
        raise job.failure
    if not answers:
        raise HostError(f"{name} went wrong", job.progress.error)
    return answers[0]


def factors_to_strength(studio: Studio, found: Embedding, strength: float) -> dict[str, float]:
    """As `rescaling.factors_for`, asked of the studio's model."""
    return ask(
        studio,
        "strength",
        lambda host, session: factors_for(strength, found, host.describe(), session),
    )


def usual_lengths(studio: Studio, host: Host, session: Session) -> Mapping[str, float]:
    """Encoder key → median length of the model's words; reckoned once for each model."""
    facts = host.describe()
    key = _model(facts)
    if key not in studio.usual_lengths:
        studio.usual_lengths[key] = median_lengths(facts, session)
    return studio.usual_lengths[key]


def remember_lengths(studio: Studio, facts: ModelFacts, found: Mapping[str, float]) -> None:
    """The same, where a training has reckoned them."""
    studio.usual_lengths[_model(facts)] = found


def _model(facts: ModelFacts) -> tuple[str, str]:
    return facts.checkpoint_name, facts.checkpoint_hash


def known_lengths(studio: Studio) -> Mapping[str, float]:
    """The same, if they are known without asking the model; else nothing."""
    facts = studio.facts()
    return studio.usual_lengths.get(_model(facts), {}) if facts else {}
