"""Where a word is learned better from: its initial words, or what the text encoder makes of them.

A run can stay near its start, and from which start depends on the word. After a few updates the
validation loss tells (docs/convergence.md). So both starts are tried before the run, with the
updates that it would begin with; its settings then name the start, and a resumed run has no need
to try again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from ..data.latent_cache.latents import Latents
from ..errors import HostMemoryError, setting
from ..events import Listener, Notice
from ..port.session import Session
from .batches import Batches
from .config import TrainConfig
from .control import Control
from .encoding import encoded
from .initialization import starting_rows
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
    plan: Plan, session: Session, control: Control, emit: Listener
) -> tuple[Plan, Latents | None]:
    """The plan, from another start where that is better, and the latents that were made to find
    out; None where nothing was tried. Raises as an update does."""
    if (config := _asking(plan)) and config.several.words:
        why = "that is done for one word only"
        return _told(plan, "the two starts are not compared", why), None
    if not tries_starts(plan):
        return plan, None
    latents = encoded(plan, session, control, emit)
    session.release("vae")  # as in the run, which has no more memory
    what = f"{_steps(plan)} steps are trained from each of two starts, to compare them"
    fix = f"set {setting('init_trial_steps')} to 0 to skip this"
    emit(Notice("info", what, "", fix))
    return with_better_start(plan, session, latents, lambda: not control.finishing), latents


def with_better_start(plan: Plan, session: Session, latents: Latents, goes: Goes) -> Plan:
    """The plan as it was, or one that begins from the text encoder, with a notice about it.

    `latents` are those of the plan's images. Raises as an update does, but no HostMemoryError.
    """
    if not _begins_with_words(plan, session):
        why = "the vectors of the file are not those of its initial words"
        return _told(plan, "the two starts are not compared", why)
    encoder = _from_encoder(plan)
    try:
        losses = [_loss_after(one, session, latents, goes) for one in (plan, encoder)]
    except HostMemoryError:
        return _told(plan, "the two starts are not compared", "memory ran out")
    if not goes():
        return plan
    why = "validation losses after {} steps: {:.5f} from the vocabulary, {:.5f} from the encoder"
    why = why.format(_steps(plan), *losses)
    if losses[1] < CLEARLY * losses[0]:  # false where both are infinite
        return _told(encoder, "training starts from what the text encoder makes of the words", why)
    return _told(plan, "training starts from the words' vectors in the vocabulary", why)


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


def _loss_after(plan: Plan, session: Session, latents: Latents, goes: Goes) -> float:
    """Validation loss on images that are trained on; infinite where it did not come to that."""
    learnable, _ = plan.kind.start(plan.facts, session, None)
    updater, batches = Updater(plan, session, learnable), Batches(plan, latents, session)
    while updater.step < _steps(plan):
        if not goes() or updater.update(batches) is None:
            return math.inf
    asked = Validation(replace(plan, held_out=None), latents, session, QUESTIONS)
    with updater.results():
        return asked.found(updater.step, learnable.extra_networks()).loss


def _steps(plan: Plan) -> int:
    assert isinstance(plan.config, TrainConfig)
    return min(plan.config.embedding.init_trial_steps, plan.config.optimizer.last_step)


def _told(plan: Plan, what: str, why: str) -> Plan:
    return replace(plan, notices=(*plan.notices, Notice("info", what, why)))
