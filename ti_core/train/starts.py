"""Where a word is learned better from: its initial words, or what the text encoder makes of them.

A run can stay near its start, and from which start depends on the word. After a few updates the
validation loss tells (docs/convergence.md). So both starts are tried before the run, with the
updates that it would begin with: those of the better one are not computed again. The settings of
the run then name the start, and a resumed run has no need to try again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from ..data.latent_cache.latents import Latents
from ..errors import HostMemoryError, setting
from ..events import Listener, Notice
from ..port.session import Session
from .batches import Batches
from .config import TrainConfig
from .control import Control
from .encoding import encoded
from .group import Group
from .initialization import starting_rows
from .made_before import Gradients, MadeBefore, Recorder
from .plan import Plan, kind_of
from .update import Updater
from .validation import Validation

CLEARLY = 0.8
"""Of the other loss. After 16 updates it is 0.57 to 0.72 where the words are a bad start, and 0.85
to 1.22 where they are not (docs/convergence.md)."""
QUESTIONS = 16
"""Images, each with a noise of its own, that a start is judged by."""
Goes = Callable[[], bool]
"""False where the user has asked the run to end."""


class Tried(NamedTuple):
    """What a few updates from a start have shown, and how they were made."""

    loss: float
    updates: dict[int, Gradients]


def tries_starts(plan: Plan) -> bool:
    """Whether the settings want it, and it is one new word that begins."""
    config = _asking(plan)
    if config is None or config.several.words:
        return False
    return config.embedding.init_from == "vocabulary" and bool(config.embedding.init_word.strip())


def _asking(plan: Plan) -> TrainConfig | None:
    """The settings of a beginning that ask for it."""
    config = plan.config
    if not isinstance(config, TrainConfig) or plan.state:
        return None
    return config if config.embedding.init_trial_steps > 0 else None


def from_better_start(
    plan: Plan, session: Session, control: Control, emit: Listener, group: Group | None = None
) -> tuple[Plan, Latents | None, Group | None]:
    """The plan, from another start where that is better; the latents that were made to find out,
    None where nothing was tried; and the group, which knows the updates of that start where it is
    one process alone. Raises as an update does."""
    if (config := _asking(plan)) and config.several.words:
        why = "that is done for one word only"
        return _told(plan, "the two starts are not compared", why), None, group
    if not tries_starts(plan):
        return plan, None, group
    latents = encoded(plan, session, control, emit)
    session.release("vae")  # as in the run, which has no more memory
    what = f"{_steps(plan)} steps are trained from each of two starts, to compare them"
    fix = f"set {setting('init_trial_steps')} to 0 to skip this"
    emit(Notice("info", what, "", fix))
    plan, made = with_better_start(plan, session, latents, lambda: not control.finishing)
    return plan, latents, group if group and group.size > 1 else MadeBefore(made)


def with_better_start(
    plan: Plan, session: Session, latents: Latents, goes: Goes
) -> tuple[Plan, dict[int, Gradients]]:
    """The plan as it was, or one that begins from the text encoder, with a notice about it; and
    what is known of its first updates.

    `latents` are those of the plan's images. Raises as an update does, but no HostMemoryError.
    """
    if not _begins_with_words(plan, session):
        why = "the vectors of the file are not those of its initial words"
        return _told(plan, "the two starts are not compared", why), {}
    encoder = _from_encoder(plan)
    try:
        words, other = (_tried(one, session, latents, goes) for one in (plan, encoder))
    except HostMemoryError:
        return _told(plan, "the two starts are not compared", "memory ran out"), {}
    if not goes():
        return plan, {}
    why = "validation losses after {} steps: {:.5f} from the vocabulary, {:.5f} from the encoder"
    why = why.format(_steps(plan), words.loss, other.loss)
    if other.loss < CLEARLY * words.loss:  # false where both are infinite
        what = "training starts from what the text encoder makes of the words"
        return _told(encoder, what, why), other.updates
    what = "training starts from the words' vectors in the vocabulary"
    return _told(plan, what, why), words.updates


def _from_encoder(plan: Plan) -> Plan:
    """The same run from the other start, whatever file has the words' vectors."""
    assert isinstance(plan.config, TrainConfig)
    word = replace(plan.config.embedding, init_from="encoder")
    begun = replace(plan.config, embedding=replace(word, weights=""))
    return replace(plan, config=replace(plan.config, embedding=word), kind=kind_of(begun))


def _begins_with_words(plan: Plan, session: Session) -> bool:
    """Whether a file, if there is one, holds what its initial words give."""
    assert isinstance(plan.config, TrainConfig)
    word = plan.config.embedding
    begun, words = (
        starting_rows(one, plan.facts, session).rows for one in (word, replace(word, weights=""))
    )
    return all(torch.equal(begun[key].cpu(), words[key].cpu().float()) for key in begun)


def _tried(plan: Plan, session: Session, latents: Latents, goes: Goes) -> Tried:
    """The validation loss on images that are trained on; infinite where it did not come to that."""
    learnable, _ = plan.kind.start(plan.facts, session, None)
    recorder, batches = Recorder(), Batches(plan, latents, session)
    updater = Updater(plan, session, learnable, recorder)
    while updater.step < _steps(plan):
        if not goes() or updater.update(batches) is None:
            return Tried(math.inf, {})
    asked = Validation(replace(plan, held_out=None), latents, session, QUESTIONS)
    with updater.results():
        found = asked.found(updater.step, learnable.extra_networks())
    return Tried(found.loss, recorder.made)


def _steps(plan: Plan) -> int:
    assert isinstance(plan.config, TrainConfig)
    return min(plan.config.embedding.init_trial_steps, plan.config.optimizer.last_step)


def _told(plan: Plan, what: str, why: str) -> Plan:
    return replace(plan, notices=(*plan.notices, Notice("info", what, why)))
