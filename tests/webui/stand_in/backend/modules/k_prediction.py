"""The noise of a model."""

from __future__ import annotations

from torch import Tensor


def rescale_zero_terminal_snr_sigmas(sigmas: Tensor) -> Tensor:
    """Lin et al. 2024, algorithm 1; the last is large, and not infinite."""
    root = (1 / (sigmas**2 + 1)).sqrt()
    kept = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    kept[-1] = 4.8973451890853435e-08
    return ((1 - kept) / kept).sqrt()
