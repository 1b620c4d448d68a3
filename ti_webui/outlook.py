"""What a run will be like, told while its settings are being made: schedule, tokens, memory."""

from __future__ import annotations

from dataclasses import dataclass

from ti_core.checkup.inputs import CheckupInput
from ti_core.errors import HostError, TIError
from ti_core.port.prompt import TOKENS_PER_CHUNK
from ti_core.port.session import Host, ModelFacts
from ti_core.schedule import Segment, early_end
from ti_core.train.config import TrainConfig
from ti_core.train.preflight import checkup_input

from .studio import Studio


@dataclass(frozen=True)
class Outlook:
    """A run before it begins."""

    segments: tuple[Segment, ...] = ()
    max_steps: int = 0
    """At which training ends."""
    early_end: str = ""
    """Said where that is before Max steps."""
    vectors: int = 0
    capacity: int = TOKENS_PER_CHUNK
    """Places for tokens in a prompt's chunk, this word's own among them."""
    memory: int = 0
    """Bytes of the device; 0 where it cannot be told."""
    memory_formula: str = ""
    model: str = ""
    trouble: str = ""
    """Why a run with these settings would not begin."""


def outlook_of(studio: Studio, config: TrainConfig) -> Outlook:
    """What can be told without looking at a picture. Raises nothing: trouble is part of it."""
    host, facts, trouble = _model(studio)
    vectors = config.embedding.num_vectors_per_token
    try:
        plan = checkup_input(config, host, facts=facts)
    except TIError as error:
        return Outlook(vectors=vectors, trouble=str(error))
    return Outlook(
        config.optimizer.schedule.segments,
        plan.last_step,
        _early_end(plan),
        vectors,
        memory=plan.memory,
        memory_formula=plan.memory_formula,
        model=facts.checkpoint_name if facts else "",
        trouble=trouble,
    )


def _early_end(plan: CheckupInput) -> str:
    told = plan.schedule and early_end(plan.schedule, plan.max_steps)
    return str(TIError(*told)) if told else ""


def _model(studio: Studio) -> tuple[Host | None, ModelFacts | None, str]:
    try:
        host = studio.host()
        return host, host.describe(), ""
    except HostError as error:
        return None, None, str(error)
