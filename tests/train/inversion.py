"""A small task that a run can solve, and a measure of how well it did."""

from __future__ import annotations

from pathlib import Path

import torch

from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.batches import Batches, batch_loss, encode_pictures
from ti_core.train.config import BaseTrainConfig
from ti_core.train.learnable import ExtraNetworks
from ti_core.train.loop import train
from ti_core.train.plan import make_plan

from ..conftest import Configure


def loss_after(configure: Configure, folder: Path, steps: int, rate: str) -> float:
    """Train the word of the toy inversion, and judge it by `fixed_loss`."""
    (folder / "one.txt").write_text("[name]")
    config = configure(
        token_string=f"zz-{steps}",
        max_train_steps=steps,
        learning_rate=rate,
        prompt_template=str(folder / "one.txt"),
        num_vectors_per_token=4,
        train_batch_size=2,
        overwrite=True,
    )
    path = train(config, FakeHost())
    rows = read_embedding(path).vectors["emb_params"]
    return fixed_loss(config, ExtraNetworks({config.name: {"clip_l": rows}}))


def fixed_loss(config: BaseTrainConfig, added: ExtraNetworks) -> float:
    """Mean loss of 100 updates' noise, none of it seen in training."""
    host = FakeHost()
    plan = make_plan(config, host)
    with host.session() as session, torch.no_grad():
        batches = Batches(plan, encode_pictures(plan, session))
        losses = [
            batch_loss(batch, session, added, plan).item()
            for step in range(1000, 1100)
            for batch in batches.of_step(step)
        ]
    return sum(losses) / len(losses)
