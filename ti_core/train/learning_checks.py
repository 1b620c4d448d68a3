"""Settings of learning that cannot work, or seldom do, found before any time is spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ..errors import ConfigError, TrainingError, setting
from ..events import Notice
from ..port.session import Features, ModelFacts
from ..schedule import early_end
from .config import BaseTrainConfig
from .early_stopping import ending
from .min_snr import require_known_snr
from .optimizers import OPTIMIZERS, require_optimizer
from .state import TrainState
from .trackers import require_trackers

_PROBES = 100
"""Steps whose rates are looked at, where there are more."""


def check_learning(config: BaseTrainConfig, facts: ModelFacts, step: int) -> None:
    """Raise ConfigError, TrainingError for settings of learning with which a run that has so many
    steps cannot continue on this model."""
    _check_schedule(config, step)
    require_known_snr(facts.diffusion, config.optimizer.min_snr_gamma)
    _check_optimizer(config)
    _check_encoders(config, list(facts.widths))
    require_trackers(config)


def early_end_of(config: BaseTrainConfig) -> Iterator[Notice]:
    """A warning of a schedule that ends before the steps do."""
    options = config.optimizer
    if told := early_end(options.schedule, options.max_train_steps):
        yield Notice("warning", *told)


def unusual_rate(config: BaseTrainConfig) -> Iterator[Notice]:
    """A warning of a rate that the optimizer is seldom used with."""
    name, schedule = config.optimizer.optimizer_type, config.optimizer.schedule
    entry = OPTIMIZERS[name]
    low, high = entry.rates
    rate = max(segment.rate for segment in schedule.segments)
    if not low <= rate <= high:
        what = f"the highest learning rate is {rate:g}, which is unusual for {name}"
        fix = f"{setting('learning_rate')} is usually between {low:g} and {high:g} there"
        yield Notice("warning", what, f"it is {entry.rate_means}", fix)


def short_way(config: BaseTrainConfig) -> Iterator[Notice]:
    """A warning of rates that are too low for so few steps, as of AdamW's rate with DTI."""
    options = config.optimizer
    entry, last = OPTIMIZERS[options.optimizer_type], options.last_step
    count = min(last, _PROBES)
    fall = ending((), config).fall
    rates = (options.rate(last * number // count, fall) for number in range(count))
    way = last * sum(rates) / count
    if way < entry.least_way:
        what = f"the learning rates of all {last} steps add up to {way:.2g}, so little is learned"
        fix = f"raise {setting('learning_rate')} or {setting('max_train_steps')}"
        yield Notice("warning", what, f"each is {entry.rate_means}", fix)


def slow_precision(config: BaseTrainConfig, features: Features) -> Iterator[Notice]:
    """A warning of bf16 on a processor that has no instructions for it."""
    of_processor = "no" in features.packs and "bf16" not in features.packs
    if of_processor and config.compute.precision() == "bf16":
        what = "bf16 is slow on this processor, which has no instructions for it"
        fix = f"{setting('mixed_precision')} no is several times faster"
        yield Notice("warning", what, "", fix)


def require_same_optimizer(config: BaseTrainConfig, state: TrainState) -> None:
    """Raise TrainingError for another optimizer than that of the state."""
    chosen = config.optimizer.optimizer_type
    if chosen != state.optimizer:
        raise TrainingError(
            "the run cannot continue with another optimizer",
            f"it was made with {state.optimizer}, and {setting('optimizer_type')} is {chosen}",
            "leave that setting as it was, or start a new run",
        )


def _check_schedule(config: BaseTrainConfig, done: int) -> None:
    last = config.optimizer.max_train_steps
    if done > last:
        raise TrainingError(
            f"{config.name} has {done} steps already, and {setting('max_train_steps')} is {last}",
            "steps count over its whole life",
            f"raise {setting('max_train_steps')}",
        )
    if done > config.optimizer.last_step:
        config.optimizer.schedule.rate(done)  # raises: there is none for the next step


def _check_optimizer(config: BaseTrainConfig) -> None:
    """Raise ConfigError when its package is missing or an argument is out of its range."""
    name, arguments = config.optimizer.optimizer_type, config.optimizer.arguments
    entry = require_optimizer(name)
    try:
        entry.make([torch.ones(1, 1, requires_grad=True)], **arguments)
    except ValueError as error:
        what = f"{setting('optimizer_args')} cannot be used: {config.optimizer.optimizer_args}"
        raise ConfigError(what, f"{name} says: {error}", "give other values") from error


def _check_encoders(config: BaseTrainConfig, encoders: Sequence[str]) -> None:
    """Raise ConfigError for rates of text encoders that are not trained here, or of none at all."""
    options = config.optimizer
    if not options.by_encoder:
        return
    if not config.vectors or (options.learning_rate_te2 and len(encoders) < 2):
        name = setting("learning_rate_te2" if config.vectors else "learning_rate_te1")
        why = f"the text encoders with vectors are {', '.join(encoders) if config.vectors else 0}"
        raise ConfigError(f"{name} cannot be used here", why, f"leave {name} empty")
    if not any(options.trains_encoder(number) for number in range(len(encoders))):
        fix = f"leave one of {setting('learning_rate_te1')} and the others empty"
        raise ConfigError("no text encoder is trained", "the rate of each is 0", fix)
