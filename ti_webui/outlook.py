"""What a run will be like, told while its settings are being made: schedule, tokens, memory."""

from __future__ import annotations

from dataclasses import dataclass

from ti_core.checkup.inputs import CheckupInput
from ti_core.errors import HostError, TIError
from ti_core.port.prompt import TOKENS_PER_CHUNK
from ti_core.port.session import Host, ModelFacts
from ti_core.schedule import Segment, early_end
from ti_core.train.config import TrainConfig
from ti_core.train.plan import foreseen_in_steps
from ti_core.train.preflight import ASSUMED, checkup_input

from .studio import Studio


@dataclass(frozen=True)
class Outlook:
    """A run before it begins."""

    segments: tuple[Segment, ...] = ()
    max_steps: int = 0
    """At which training ends."""
    decay: str = ""
    """Of the rate, beside its segments."""
    early_stopping: bool = False
    """It may end before."""
    epochs: int = 0
    """That the steps were reckoned from; 0 where Max steps counts."""
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
    """What can be told without looking at an image, but for a length in epochs. Raises nothing:
    trouble is part of it."""
    host, facts, trouble = _model(studio)
    vectors, epochs = config.vectors, config.optimizer.max_train_epochs
    try:
        config = _in_steps(studio, config, facts)
        plan = checkup_input(config, host, facts=facts)
    except TIError as error:
        return Outlook(epochs=epochs, vectors=vectors, trouble=str(error))
    return Outlook(
        config.optimizer.schedule.segments,
        plan.last_step,
        plan.decay,
        plan.early_stopping,
        epochs,
        _early_end(plan),
        plan.vectors,
        memory=plan.memory,
        memory_formula=plan.memory_formula,
        model=facts.checkpoint_name if facts else "",
        trouble=trouble,
    )


def _in_steps(studio: Studio, config: TrainConfig, facts: ModelFacts | None) -> TrainConfig:
    """A length in epochs as steps, once images are named."""
    if not config.optimizer.max_train_epochs:
        return config
    checked = studio.places().checked(config)
    return foreseen_in_steps(checked, facts.resolution if facts else ASSUMED.release().resolution)


def _early_end(plan: CheckupInput) -> str:
    told = plan.schedule and early_end(plan.schedule, plan.max_steps)
    return str(TIError(*told)) if told else ""


def _model(studio: Studio) -> tuple[Host | None, ModelFacts | None, str]:
    try:
        host = studio.host()
        return host, host.describe(), ""
    except HostError as error:
        return None, None, str(error)
