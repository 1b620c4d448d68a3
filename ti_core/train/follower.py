"""What the other processes of a run do: compute gradients for the first one, and keep nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ..port.session import Host
from .batches import Batches, encode_pictures
from .config import BaseTrainConfig
from .ladder import Savings, save
from .plan import make_plan
from .processes import Processes
from .run_folder import RunFolder
from .share import Share, identity, require_shares


def follow(
    config: BaseTrainConfig,
    host: Host,
    group: Processes,
    resume: RunFolder | None = None,
    asked_to_end: Callable[[], bool] = lambda: False,
) -> None:
    """Compute until the run ends; the arguments are those of the first process's `train`.

    Raises TIError; TrainingError when the first process is gone.
    """
    plan = make_plan(config, host, resume)
    require_shares(plan.config, group.size)
    compute = plan.config.compute
    with host.session(compute.precision()) as session:
        if compute.pack_weights:
            session.pack_weights()
        saved = plan.state.tensors if plan.state else None
        learnable, _ = plan.kind.start(plan.facts, session, saved)
        batches = Batches(plan, encode_pictures(plan, session), session)
        session.release("vae")
        share, savings = Share(plan, session, learnable, group), Savings()
        save(session, Savings(checkpointing=compute.gradient_checkpointing))
        group.ready(identity(plan))
        for order in group.orders(asked_to_end):
            if (wanted := Savings.read(order.savings)) != savings:
                save(session, wanted)
                savings = wanted
            work = functools.partial(share.add, batches.of_step(order.step), order)
            group.carry_out(share.leaves, work)
