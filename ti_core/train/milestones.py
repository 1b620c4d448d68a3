"""At which steps a run makes copies and previews, and which copies it keeps."""

from __future__ import annotations

from .plan import Plan


def copy_is_due(plan: Plan, step: int) -> bool:
    """Whether a copy is made after `step` updates: every N of them, and at ends of epochs."""
    output = plan.config.output
    if not step:
        return False
    return _every(step, output.save_every_n_steps) or ends_epoch(
        plan, step, output.save_every_n_epochs
    )


def state_is_due(plan: Plan, step: int) -> bool:
    """Whether what is needed to resume is saved after `step` updates, whatever else is due."""
    return _every(step, plan.config.output.save_state_every_n_steps)


def previews_are_due(plan: Plan, step: int) -> bool:
    """Whether previews are made after `step` updates; epochs take the place of steps (kohya)."""
    preview = plan.config.preview
    if not step:
        return preview.sample_at_first and _previews_are_on(plan)
    if preview.sample_every_n_epochs:
        return ends_epoch(plan, step, preview.sample_every_n_epochs)
    return _every(step, preview.sample_every_n_steps)


def end_is_previewed(plan: Plan) -> bool:
    """Whether previews are made at the end of a run, whatever its last step is."""
    return plan.config.preview.sample_at_last and _previews_are_on(plan)


def validation_is_due(plan: Plan, step: int) -> bool:
    """Whether what is learned is validated after `step` updates; also before the first."""
    return _every(step, plan.config.validation.every)


def is_old(plan: Plan, copy: int, step: int) -> bool:
    """Whether the copy of step `copy` is not kept any longer after `step` updates (kohya's
    `save_last_n_steps` and `save_last_n_epochs`)."""
    output = plan.config.output
    if output.save_last_n_steps and copy < step - output.save_last_n_steps:
        return True
    epochs = output.save_every_n_epochs * output.save_last_n_epochs
    return bool(epochs) and plan.order.epochs_done(copy) <= plan.order.epochs_done(step) - epochs


def _previews_are_on(plan: Plan) -> bool:
    preview = plan.config.preview
    return bool(preview.sample_every_n_steps or preview.sample_every_n_epochs)


def _every(step: int, count: int) -> bool:
    return bool(count) and step % count == 0


def ends_epoch(plan: Plan, step: int, count: int = 1) -> bool:
    """Whether this update was the one that ended an epoch whose number is a multiple of `count`;
    an update may hold the end of one epoch and the start of the next."""
    if not count:
        return False
    done, before = plan.order.epochs_done(step), plan.order.epochs_done(step - 1)
    return done // count > before // count
