"""One step of learning, for tests: a loss of vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ti_core.port.session import Session

NAME = "zz-thing"
Rows = dict[str, Tensor]


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Always the same numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def some_rows(host: Any, count: int = 2, seed: int = 0) -> Rows:
    """Vectors that mean nothing, as long as real ones."""
    return {
        encoder.key: (noise(count, encoder.width, seed=seed) * 0.3).requires_grad_()
        for encoder in host.describe().encoders
    }


def loss(session: Session, rows: Rows, time: int = 500, hypernetwork: Any = None) -> Tensor:
    """Of two prompts with the vectors in different places."""
    conditioning = session.encode_prompts([f"a {NAME} here", f"see {NAME}"], {NAME: rows})
    times = torch.tensor([time, time // 5])
    output = session.predict(noise(2, 4, 8, 8), times, conditioning, hypernetwork)
    return output.double().square().mean()


def gradients(host: Any, precision: Any = "no", hypernetwork: Any = None) -> Rows:
    """Of the loss, in a session of its own."""
    rows = some_rows(host)
    with host.session(precision) as session:
        loss(session, rows, hypernetwork=hypernetwork).backward()
    found = {key: value.grad for key, value in rows.items()}
    assert all(grad is not None and bool(grad.any()) for grad in found.values())
    return found  # type: ignore[return-value]
