"""An optimiser that keeps what it has found out in its groups, as Prodigy and D-Adaptation do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer


class Growing(Optimizer):
    """Sign descent with momentum, whose step size `d` grows while updates lead away from the start.

    In the group: `d`, a number, and what comes only later: `k`, a count, and `total`, a tensor.
    For the parameter: where it started, a mean of its gradients, and a count.
    """

    def __init__(self, parameters: Sequence[Tensor], d: float = 1e-3, factor: float = 2.0) -> None:
        super().__init__(parameters, {"lr": 1.0, "d": d, "factor": factor})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update."""
        for group in self.param_groups:
            group["k"] = group.get("k", 0) + 1
            total = group.setdefault("total", torch.zeros(()))
            for vector in group["params"]:
                state = self.state[vector]
                start = state.setdefault("start", vector.clone())
                state["count"] = state.get("count", 0) + 1
                total.add_((vector.grad * (start - vector)).sum())
                mean = state.setdefault("mean", torch.zeros_like(vector))
                mean.lerp_(vector.grad, 0.1)
                vector.sub_(group["lr"] * group["d"] * mean.sign())
            if total > 0:
                group["d"] = min(group["d"] * group["factor"], 0.2 / group["k"] ** 0.5)
